import { z } from 'zod'
import type { Tenancy } from '../with-tenant.ts'

const Row = z.object({
  credentials: z.number(),
  parked: z.number(),
  incidents: z.number(),
  newest_incident: z.string().nullable(),
  receipt_size: z.number().nullable(),
  receipt_at: z.date().nullable(),
})
export type TenantHealth = z.output<typeof Row>

/** What the database knows of how a tenant fares. */
export async function tenantHealth({ sql, tenantId }: Tenancy): Promise<TenantHealth> {
  const [row] = await sql`
    select
      (select count(*) from flarewatch.credentials where tenant_id = ${tenantId}) as credentials,
      (select count(*) from flarewatch.credentials where tenant_id = ${tenantId} and state = 'parked') as parked,
      (select count(*) from flarewatch.incidents where tenant_id = ${tenantId} and acknowledged_at is null) as incidents,
      (select kind from flarewatch.incidents where tenant_id = ${tenantId} and acknowledged_at is null
        order by at desc limit 1) as newest_incident,
      newest.size as receipt_size, newest.at as receipt_at
    from (select) as one
    left join lateral (
      select size, at from flarewatch.receipts where log = ${tenantId} order by size desc limit 1
    ) as newest on true`
  return Row.parse(row)
}
