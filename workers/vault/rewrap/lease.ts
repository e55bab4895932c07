import type { TenantId } from '../../../domain/contracts/ids.ts'
import type { Visit } from '../visit.ts'

/** Longer than a batch takes. A holder that outlives it does no harm: each row is stored by comparing. */
const LEASE_MS = 10_000

/** Two messages for one tenant would only make twice the rows in its chain. Null when another works on it. */
export async function withTenantLease<Value>(
  { sql, at }: Visit,
  tenantId: TenantId,
  work: () => Promise<Value>,
): Promise<Value | null> {
  const lease = crypto.randomUUID()
  const until = new Date(at + LEASE_MS)
  const claimed = await sql`
    insert into flarewatch.rewrap_leases as held (tenant_id, lease, lease_until)
    values (${tenantId}, ${lease}, ${until})
    on conflict (tenant_id) do update set lease = excluded.lease, lease_until = excluded.lease_until
    where held.lease_until <= ${new Date(at)}
    returning 1`
  if (claimed.length === 0) return null
  try {
    return await work()
  } finally {
    await sql`update flarewatch.rewrap_leases set lease_until = ${new Date(at)}
      where tenant_id = ${tenantId} and lease = ${lease}`
  }
}
