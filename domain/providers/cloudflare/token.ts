import { failure, type Result, success } from '../../result.ts'
import type { ShapeRefusal } from '../grade.ts'

/** `user` and `account` tokens are verified at different addresses; a legacy one does not say whose it is. */
export type TokenKind = 'user' | 'account' | 'legacy'

const GLOBAL_KEY_PREFIX = 'cfk_'
const LEGACY_GLOBAL_KEY = /^[0-9a-f]{37}$/i
const PREFIXED_TOKEN = /^(cfut|cfat)_[A-Za-z0-9_-]{20,200}$/
const LEGACY_TOKEN = /^[A-Za-z0-9_-]{40}$/

/** Judged before anything is sent anywhere: a global key carries its user's full power (T5). */
export function judgeTokenShape(text: string): Result<TokenKind, ShapeRefusal> {
  if (text.startsWith(GLOBAL_KEY_PREFIX) || LEGACY_GLOBAL_KEY.test(text)) return failure('credential_global_key')
  const prefix = PREFIXED_TOKEN.exec(text)?.[1]
  if (prefix !== undefined) return success(prefix === 'cfut' ? 'user' : 'account')
  return LEGACY_TOKEN.test(text) ? success('legacy') : failure('credential_malformed')
}
