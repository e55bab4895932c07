import { z } from 'zod'
import { type Grain, MetricName, Provenance, Unit } from '../../../domain/contracts/api.ts'
import type { SiteId } from '../../../domain/contracts/ids.ts'
import type { MetricDefinition } from '../../../domain/metrics/definitions.ts'
import type { Tenancy } from '../with-tenant.ts'

export type Window = { readonly grain: z.infer<typeof Grain>; readonly from: Date; readonly to: Date }

const Fact = z.object({
  metric: MetricName,
  unit: Unit,
  currency: z.string().nullable(),
  window_start: z.date(),
  value: z.number(),
  source: z.string(),
  fetched_at: z.date(),
  sampling: z.number(),
  completeness: Provenance.shape.completeness,
  corrected_at: z.date().nullable(),
  previous_value: z.number().nullable(),
})
export type Fact = z.output<typeof Fact>

/** The facts of one site in a window, oldest first. */
export async function factsOf(tenancy: Tenancy, siteId: SiteId, window: Window): Promise<Fact[]> {
  const { sql, tenantId } = tenancy
  const rows = await sql`
    select metric, unit, nullif(currency, 'XXX') as currency, window_start, value::float8 as value, source, fetched_at,
      sampling::float8 as sampling, completeness, corrected_at, previous_value::float8 as previous_value
    from ${factsTable(tenancy, window.grain)}
    where site_id = ${siteId} and tenant_id = ${tenantId}
      and window_start >= ${window.from} and window_start < ${window.to}
    order by window_start, metric, currency`
  return z.array(Fact).parse(rows)
}

/** Those of `metrics` that have a fact from before `instant`: their history reaches that far back. */
export async function metricsKnownBefore(
  tenancy: Tenancy,
  siteId: SiteId,
  grain: Window['grain'],
  metrics: readonly MetricDefinition[],
  instant: Date,
): Promise<ReadonlySet<string>> {
  const { sql, tenantId } = tenancy
  const rows = await sql`
    select name from jsonb_array_elements_text(${sql.json(metrics.map(({ name }) => name))}) as name
    where exists (
      select 1 from ${factsTable(tenancy, grain)}
      where site_id = ${siteId} and tenant_id = ${tenantId} and metric = name and window_start < ${instant}
    )`
  return new Set(rows.map(({ name }) => String(name)))
}

function factsTable({ sql }: Tenancy, grain: Window['grain']) {
  return grain === 'hour' ? sql`flarewatch.facts_hourly` : sql`flarewatch.facts_daily`
}
