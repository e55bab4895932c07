import { failure, success } from '../../../domain/result.ts'
import { appendEvent, newRowId } from '../audit-append.ts'
import { askLedger } from '../ledger.ts'
import { ACTOR, type Operation } from './operation.ts'

/** Stops a tenant's releases. The flag comes first: a freeze must work when a row cannot be made, with Postgres away for one. */
export const tenantFreeze: Operation<'tenant-freeze'> = async (visit, { tenant_id: tenantId, reason }) => {
  const head = await askLedger(visit.bindings, tenantId, async (ledger) => {
    await ledger.freeze(`${ACTOR}: ${reason}`, visit.at)
    return ledger.head()
  })
  if (!head.ok) return head
  if (!head.value.frozen) return failure('tenant_unknown')
  const rowId = newRowId()
  const target = `tenant:${tenantId}`
  const event = { tenantId, actor: ACTOR, action: 'tenant.freeze', target, detail: { reason } } as const
  const noted = await appendEvent(visit, event, rowId)
  return success({ frozen: true, row_id: noted.ok ? rowId : null })
}
