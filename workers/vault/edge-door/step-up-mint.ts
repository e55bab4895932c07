import { targetOf } from '../../../domain/contracts/step-up.ts'
import { failure, success } from '../../../domain/result.ts'
import { appendEvent } from '../audit-append.ts'
import { claimFreshness } from '../freshness.ts'
import { askStepUpTokens } from '../ledger.ts'
import { edgeRefusal, type Operation, requireRoleFor } from './operation.ts'

/** A4: a power for one request of one act on one target, in exchange for freshness. The row is there before the token is. */
export const stepUpMint: Operation<'step-up-mint'> = async (visit, request) => {
  const { tenant_id, action, target_id, request_digest } = request
  const member = await requireRoleFor(visit, tenant_id, action)
  if (!member.ok) return member
  const fresh = await claimFreshness(visit, visit.user)
  if (!fresh.ok) return fresh
  const { userId, sessionId } = visit.user
  const noted = await appendEvent(visit, {
    tenantId: tenant_id,
    actor: `user:${userId}`,
    action: 'step_up.mint',
    target: targetOf(action, target_id),
    detail: { for: action },
  })
  if (!noted.ok) return failure(edgeRefusal(noted.code))
  const binding = { tenantId: tenant_id, action, targetId: target_id, requestDigest: request_digest }
  const bound = { sessionId, ...binding, at: visit.at }
  const minted = await askStepUpTokens(visit.bindings, userId, (tokens) => tokens.mint(bound))
  if (!minted.ok) return minted
  return success({ token: minted.value.token, expires_at: new Date(minted.value.expiresAt).toISOString() })
}
