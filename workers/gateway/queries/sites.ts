import type { z } from 'zod'
import type { SitesResponse } from '../../../domain/contracts/api.ts'
import type { SiteId } from '../../../domain/contracts/ids.ts'
import { Provider } from '../../../domain/contracts/providers.ts'
import type { Tenancy } from '../with-tenant.ts'

const MAX_SITES = 1000

export async function listSites({ sql, tenantId }: Tenancy): Promise<z.input<typeof SitesResponse>['sites']> {
  return sql<z.input<typeof SitesResponse>['sites']>`
    select id, name, provider, time_zone, credential_id from flarewatch.sites
    where tenant_id = ${tenantId}
    order by lower(name), id limit ${MAX_SITES}`
}

/** Undefined for a site that is not the tenant's. */
export async function siteProvider({ sql, tenantId }: Tenancy, siteId: SiteId): Promise<Provider | undefined> {
  const [row] = await sql`select provider from flarewatch.sites where tenant_id = ${tenantId} and id = ${siteId}`
  return row === undefined ? undefined : Provider.parse(row.provider)
}
