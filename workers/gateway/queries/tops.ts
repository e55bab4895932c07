import { z } from 'zod'
import { Provenance, type TopDimension } from '../../../domain/contracts/api.ts'
import type { SiteId } from '../../../domain/contracts/ids.ts'
import type { Tenancy } from '../with-tenant.ts'

export type Days = { readonly dimension: z.infer<typeof TopDimension>; readonly from: Date; readonly to: Date }

const Share = z.object({ key: z.string(), value: z.number() })
const Whole = z.object({
  total: z.number(),
  days: z.int(),
  source: z.string().nullable(),
  fetched_at: z.date().nullable(),
  sampling: z.number().nullable(),
  completeness: Provenance.shape.completeness.nullable(),
})

/** The largest shares of a site's days, added up. */
export async function sharesOf({ sql, tenantId }: Tenancy, siteId: SiteId, days: Days, most: number) {
  const rows = await sql`
    select key, sum(value)::float8 as value from flarewatch.facts_top
    where site_id = ${siteId} and tenant_id = ${tenantId} and dimension = ${days.dimension}
      and window_start >= ${days.from} and window_start < ${days.to} and rank > 0
    group by key order by sum(value) desc, key limit ${most}`
  return z.array(Share).parse(rows.slice())
}

/** All of those days, named or not, and where they come from. */
export async function wholeOf({ sql, tenantId }: Tenancy, siteId: SiteId, days: Days) {
  const rows = await sql`
    select coalesce(sum(value), 0)::float8 as total, count(distinct window_start)::int as days,
      (array_agg(source order by window_start desc))[1] as source,
      (array_agg(fetched_at order by window_start desc))[1] as fetched_at,
      max(sampling)::float8 as sampling,
      (array_agg(completeness order by window_start desc))[1] as completeness
    from flarewatch.facts_top
    where site_id = ${siteId} and tenant_id = ${tenantId} and dimension = ${days.dimension}
      and window_start >= ${days.from} and window_start < ${days.to}`
  return Whole.parse(rows[0])
}
