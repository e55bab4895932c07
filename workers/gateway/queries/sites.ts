import type { z } from 'zod'
import type { SitesResponse } from '../../../domain/contracts/api.ts'
import type { SiteId } from '../../../domain/contracts/ids.ts'
import type { Tenancy } from '../with-tenant.ts'

const MAX_SITES = 1000

export async function listSites({ sql, tenantId }: Tenancy): Promise<z.input<typeof SitesResponse>['sites']> {
  return sql<z.input<typeof SitesResponse>['sites']>`
    select id, name, provider, time_zone, credential_id from flarewatch.sites
    where tenant_id = ${tenantId}
    order by lower(name), id limit ${MAX_SITES}`
}

export async function siteExists({ sql, tenantId }: Tenancy, siteId: SiteId): Promise<boolean> {
  const rows = await sql`select 1 from flarewatch.sites where tenant_id = ${tenantId} and id = ${siteId}`
  return rows.length === 1
}
