import { failure, type Result, success } from '../../domain/result.ts'
import type { VerifiedUser } from '../runtime/user-token.ts'
import { askStepUpTokens } from './ledger.ts'
import type { Visit } from './visit.ts'

const FRESH_MS = 300_000
/** How far ahead of ours the clock of the Auth server may be. */
const AHEAD_MS = 30_000

export type FreshnessRefusal = 'aal2_stale' | 'freshness_claimed' | 'ledger_unreachable'

/**
 * A3. A session's `aal` never decays, so freshness is judged from the newest TOTP; and a code that is replayed signs in
 * but finds the freshness of its window claimed by the session that used it first.
 */
export async function claimFreshness(visit: Visit, user: VerifiedUser): Promise<Result<null, FreshnessRefusal>> {
  const { totpAt, sessionId, userId } = user
  if (totpAt === null || !isFresh(totpAt, visit.at)) return failure('aal2_stale')
  const claim = { sessionId, totpAt, at: visit.at }
  const claimed = await askStepUpTokens(visit.bindings, userId, (tokens) => tokens.claimFreshness(claim))
  if (!claimed.ok) return claimed
  return claimed.value.ok ? success(null) : failure(claimed.value.code)
}

export function isFresh(totpAt: number, at: number): boolean {
  return at - totpAt <= FRESH_MS && totpAt - at <= AHEAD_MS
}
