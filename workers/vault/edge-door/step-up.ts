import type { z } from 'zod'
import { type StepUpRequest, StepUpToken } from '../../../domain/contracts/edge-door.ts'
import { targetOf } from '../../../domain/contracts/step-up.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { appendEvent } from '../audit-append.ts'
import { claimFreshness } from '../freshness.ts'
import { askStepUpTokens } from '../ledger.ts'
import { type EdgeRefusal, type EdgeVisit, edgeRefusal } from './operation.ts'

type Bound = z.output<typeof StepUpRequest>

/** A3 and A4: freshness is claimed and the token is used up, by this act whatever becomes of it. */
export async function spendStepUp(visit: EdgeVisit, bound: Bound): Promise<Result<null, EdgeRefusal>> {
  if (visit.stepUpToken === null) return failure('step_up_required')
  const fresh = await claimFreshness(visit, visit.user)
  if (!fresh.ok) return fresh
  const consumed = await consume(visit, bound, visit.stepUpToken)
  if (consumed.ok || consumed.code !== 'step_up_invalid') return consumed
  const told = await tellMisuse(visit, bound)
  return told.ok ? consumed : told
}

async function consume(visit: EdgeVisit, bound: Bound, presented: string): Promise<Result<null, EdgeRefusal>> {
  const token = StepUpToken.safeParse(presented)
  if (!token.success) return failure('step_up_invalid')
  const use = {
    token: token.data,
    sessionId: visit.user.sessionId,
    tenantId: bound.tenant_id,
    action: bound.action,
    targetId: bound.target_id,
    requestDigest: bound.request_digest,
    at: visit.at,
  }
  const consumed = await askStepUpTokens(visit.bindings, visit.user.userId, (tokens) => tokens.consume(use))
  if (!consumed.ok) return consumed
  return consumed.value.ok ? success(null) : failure(consumed.value.code)
}

/** Replayed, expired, for another act, target, session or request: one row says that it was tried, and for what. */
async function tellMisuse(visit: EdgeVisit, bound: Bound): Promise<Result<null, EdgeRefusal>> {
  const told = await appendEvent(visit, {
    tenantId: bound.tenant_id,
    actor: `user:${visit.user.userId}`,
    action: 'step_up.refused',
    target: targetOf(bound.action, bound.target_id),
    detail: { for: bound.action },
  })
  return told.ok ? success(null) : failure(edgeRefusal(told.code))
}
