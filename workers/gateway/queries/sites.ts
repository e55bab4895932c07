import { z } from 'zod'
import { SiteSummary, type SitesResponse } from '../../../domain/contracts/api.ts'
import type { SiteId } from '../../../domain/contracts/ids.ts'
import { Provider } from '../../../domain/contracts/providers.ts'
import type { Tenancy } from '../with-tenant.ts'

const MAX_SITES = 1000
const instant = z
  .date()
  .transform((at) => at.toISOString())
  .nullable()

export async function listSites({ sql, tenantId }: Tenancy): Promise<z.input<typeof SitesResponse>['sites']> {
  const rows = await sql`
    select id, name, provider, time_zone, credential_id, found_at, removed_at from flarewatch.sites
    where tenant_id = ${tenantId}
    order by lower(name), id limit ${MAX_SITES}`
  return z.array(SiteSummary.extend({ found_at: instant, removed_at: instant })).parse(rows.slice())
}

/** Undefined for a site that is not the tenant's. */
export async function siteProvider({ sql, tenantId }: Tenancy, siteId: SiteId): Promise<Provider | undefined> {
  const [row] = await sql`select provider from flarewatch.sites where tenant_id = ${tenantId} and id = ${siteId}`
  return row === undefined ? undefined : Provider.parse(row.provider)
}
