import { failure, success } from '../../../domain/result.ts'
import { appendEvent, newRowId } from '../audit-append.ts'
import { askLedger } from '../ledger.ts'
import { rpcRefusal } from '../rpc-refusal.ts'
import { ACTOR, type Operation } from './operation.ts'

/** Lets a tenant's releases go on. It gives power back, so unlike a freeze it needs its row first. */
export const tenantUnfreeze: Operation<'tenant-unfreeze'> = async (visit, { tenant_id: tenantId }) => {
  const head = await askLedger(visit.bindings, tenantId, (ledger) => ledger.head())
  if (!head.ok) return head
  if (head.value.tenantId === null) return failure('tenant_unknown')
  const rowId = newRowId()
  const target = `tenant:${tenantId}`
  const event = { tenantId, actor: ACTOR, action: 'tenant.unfreeze', target, detail: {} } as const
  const noted = await appendEvent(visit, event, rowId)
  if (!noted.ok) return failure(rpcRefusal(noted.code))
  const lifted = await askLedger(visit.bindings, tenantId, (ledger) => ledger.unfreeze())
  return lifted.ok ? success({ frozen: false, row_id: rowId }) : lifted
}
