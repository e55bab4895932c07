import { failure, success } from '../../../domain/result.ts'
import { appendEvent, newRowId } from '../audit-append.ts'
import { reach } from '../call.ts'
import { rpcRefusal } from '../rpc-refusal.ts'

import { ACTOR, type Operation } from './operation.ts'

/** What a tenant pays for, and so how often it is polled. The row comes first: asking again repeats both. */
export const tenantTier: Operation<'tenant-tier'> = async (visit, { tenant_id: tenantId, tier }) => {
  const fields = { tenant_id: tenantId }
  const found = await reach(
    'store_unreachable',
    () => visit.sql`select from flarewatch.tenants where id = ${tenantId} and state = 'active'`,
    fields,
  )
  if (!found.ok) return found
  if (found.value.length === 0) return failure('tenant_unknown')
  const rowId = newRowId()
  const event = {
    tenantId,
    actor: ACTOR,
    action: 'tenant.tier',
    target: `tenant:${tenantId}`,
    detail: { tier },
  } as const
  const noted = await appendEvent(visit, event, rowId)
  if (!noted.ok) return failure(rpcRefusal(noted.code))
  const set = await reach(
    'store_unreachable',
    () =>
      visit.sql`update flarewatch.tenants set tier = ${tier} where id = ${tenantId} and state = 'active' returning id`,
    fields,
  )
  if (!set.ok) return set
  return set.value.length === 1 ? success({ tier, row_id: rowId }) : failure('tenant_unknown')
}
