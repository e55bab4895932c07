import { failure, type Result, success } from '../../result.ts'
import type { ShapeRefusal } from '../grade.ts'

export type KeyMode = 'live' | 'test'

const RESTRICTED_KEY = /^rk_(live|test)_[A-Za-z0-9]{16,250}$/

/** Judged before anything is sent anywhere: a secret key moves money (T5). */
export function judgeKeyShape(text: string): Result<KeyMode, ShapeRefusal> {
  if (/^\s*sk_/i.test(text)) return failure('credential_secret_key')
  const mode = RESTRICTED_KEY.exec(text)?.[1]
  if (mode === undefined) return failure('credential_malformed')
  return success(mode === 'live' ? 'live' : 'test')
}
