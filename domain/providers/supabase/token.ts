import { z } from 'zod'
import { fromBase64Url } from '../../bytes.ts'
import { failure, type Result, success } from '../../result.ts'
import type { ShapeRefusal } from '../grade.ts'

/** `scoped`: by its beginning. One classic token in 256 begins so too, so a scoped token is never called read-only for its looks. */
export type TokenKind = 'classic' | 'scoped'

/** supabase.com/docs/guides/platform/access-tokens: scoped ones start with `sbp_fc`. */
const SCOPED_TOKEN = /^sbp_fc[A-Za-z0-9_]{38,120}$/
/** github.com/supabase/cli, its AccessTokenPattern. */
const CLASSIC_TOKEN = /^sbp_[a-f0-9]{40}$/
const Claims = z.object({ role: z.string() })
const JWT = /^\s*[A-Za-z0-9_-]{1,1024}\.([A-Za-z0-9_-]{1,2048})\.[A-Za-z0-9_-]{1,1024}\s*$/

/** Judged before anything is sent anywhere: a project's own keys are for its data, past every policy or for its visitors (T5). */
export function judgeTokenShape(text: string): Result<TokenKind, ShapeRefusal> {
  const role = jwtRole(text)
  if (/^\s*sb_secret_/.test(text) || role === 'service_role') return failure('credential_secret_key')
  if (/^\s*sb_publishable_/.test(text) || role === 'anon') return failure('credential_public_key')
  if (SCOPED_TOKEN.test(text)) return success('scoped')
  return CLASSIC_TOKEN.test(text) ? success('classic') : failure('credential_malformed')
}

/** As the key itself says, unverified: it is refused whatever it says, and the role chooses the words alone. */
function jwtRole(text: string): string | undefined {
  const payload = fromBase64Url(JWT.exec(text)?.[1] ?? '')
  if (!payload.ok) return undefined
  try {
    return Claims.safeParse(JSON.parse(new TextDecoder().decode(payload.value))).data?.role
  } catch {
    return undefined
  }
}
