import { targetOf } from '../../../domain/contracts/step-up.ts'
import { failure, success } from '../../../domain/result.ts'
import { appendEvent, newRowId } from '../audit-append.ts'
import { edgeRefusal, type Operation, requireRoleFor } from './operation.ts'
import { spendStepUp } from './step-up.ts'

/** L1 for an act that needs no key: who may do it, how fresh the proof is, its token, and the row before the act. */
export const actBegin: Operation<'act-begin'> = async (visit, request) => {
  const { tenant_id, action, target_id } = request
  const member = await requireRoleFor(visit, tenant_id, action)
  if (!member.ok) return member
  const stepUp = await spendStepUp(visit, request)
  if (!stepUp.ok) return stepUp
  const intentRow = newRowId()
  const event = {
    tenantId: tenant_id,
    actor: `user:${visit.user.userId}`,
    action,
    target: targetOf(action, target_id),
    detail: {},
  } as const
  const begun = await appendEvent(visit, event, intentRow)
  return begun.ok ? success({ intent_row: intentRow }) : failure(edgeRefusal(begun.code))
}
