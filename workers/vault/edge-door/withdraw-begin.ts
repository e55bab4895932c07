import type { WithdrawAction } from '../../../domain/contracts/acts.ts'
import { failure, success } from '../../../domain/result.ts'
import { appendEvent, newRowId } from '../audit-append.ts'
import { claimFreshness } from '../freshness.ts'
import { edgeRefusal, type Operation, requireRoleFor } from './operation.ts'

const TARGET_KIND: Record<WithdrawAction, string> = {
  'credential.resync': 'credential',
  'invitation.withdraw': 'invitation',
  'member_reset.cancel': 'member',
}

/** L1 for what gives no power: freshness is asked for and no token. */
export const withdrawBegin: Operation<'withdraw-begin'> = async (visit, { tenant_id, action, target_id }) => {
  const member = await requireRoleFor(visit, tenant_id, action)
  if (!member.ok) return member
  const fresh = await claimFreshness(visit, visit.user)
  if (!fresh.ok) return fresh
  const intentRow = newRowId()
  const event = {
    tenantId: tenant_id,
    actor: `user:${visit.user.userId}`,
    action,
    target: `${TARGET_KIND[action]}:${target_id}`,
    detail: {},
  } as const
  const begun = await appendEvent(visit, event, intentRow)
  return begun.ok ? success({ intent_row: intentRow }) : failure(edgeRefusal(begun.code))
}
