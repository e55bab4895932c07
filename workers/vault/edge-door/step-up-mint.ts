import { failure, success } from '../../../domain/result.ts'
import { appendEvent } from '../audit-append.ts'
import { claimFreshness } from '../freshness.ts'
import { askStepUpTokens } from '../ledger.ts'
import { edgeRefusal, type Operation, requireManager } from './operation.ts'

/** A4: a power for one act on one credential, in exchange for freshness. The row is there before the token is. */
export const stepUpMint: Operation<'step-up-mint'> = async (visit, { tenant_id, credential_id, action }) => {
  const manager = await requireManager(visit, tenant_id)
  if (!manager.ok) return manager
  const fresh = await claimFreshness(visit, visit.user)
  if (!fresh.ok) return fresh
  const { userId, sessionId } = visit.user
  const noted = await appendEvent(visit, {
    tenantId: tenant_id,
    actor: `user:${userId}`,
    action: 'step_up.mint',
    target: `credential:${credential_id}`,
    detail: { for: action },
  })
  if (!noted.ok) return failure(edgeRefusal(noted.code))
  const bound = { sessionId, tenantId: tenant_id, credentialId: credential_id, action, at: visit.at }
  const minted = await askStepUpTokens(visit.bindings, userId, (tokens) => tokens.mint(bound))
  if (!minted.ok) return minted
  return success({ token: minted.value.token, expires_at: new Date(minted.value.expiresAt).toISOString() })
}
