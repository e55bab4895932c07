import type { SiteId, TenantId } from '../../domain/contracts/ids.ts'
import { rollupOf } from '../../domain/metrics/definitions.ts'
import { hoursKeptFrom, utcDay } from '../../domain/metrics/retention.ts'
import type { Transaction } from '../runtime/database.ts'
import type { Chunk, Fact } from './providers/provider.ts'

type Owner = { readonly tenant_id: TenantId; readonly provider: string }

/**
 * Idempotent by site, metric, currency and window. A reply that is older than what is stored changes nothing; one that changes a figure
 * which was final already replaces it, and what it was stays beside it. Hours that are past their time are not stored again.
 */
export async function upsertFacts(sql: Transaction, owner: Owner, chunk: Chunk): Promise<void> {
  if (!isHourly(chunk)) return await replaceFacts(sql, owner, chunk)
  const keptFrom = hoursKeptFrom(chunk.fetchedAt)
  const hours = chunk.facts.filter(({ windowStart }) => windowStart >= keptFrom)
  await replaceFacts(sql, owner, { ...chunk, facts: hours })
  await rollUp(sql, chunk.siteId, hours)
}

async function replaceFacts(sql: Transaction, owner: Owner, chunk: Chunk): Promise<void> {
  if (chunk.facts.length === 0) return
  const byHour = isHourly(chunk)
  const table = sql(byHour ? 'flarewatch.facts_hourly' : 'flarewatch.facts_daily')
  const rollup = byHour ? sql`, rollup` : sql``
  const replacedRollup = byHour ? sql`, rollup = excluded.rollup` : sql``
  // What was fetched before its window had ended was not final yet, and a day of the provider's own is no correction of one made of hours.
  const isCorrection = sql`(
    stored.completeness = 'complete' and stored.fetched_at >= stored.window_end and stored.source = excluded.source
    and stored.value <> excluded.value
  )`
  await sql`
    insert into ${table} as stored (
      site_id, tenant_id, provider, metric, window_start, window_end, value, unit, currency, source, fetched_at,
      sampling, completeness${rollup}
    )
    select ${chunk.siteId}::uuid, ${owner.tenant_id}::uuid, ${owner.provider}, metric, window_start, window_end, value, unit,
           coalesce(currency, 'XXX'), source, ${new Date(chunk.fetchedAt)}::timestamptz, sampling, completeness${rollup}
      from jsonb_to_recordset(${sql.json(chunk.facts.map(rowOf))}::jsonb) as fact (
        metric text, window_start timestamptz, window_end timestamptz, value numeric, unit text, currency text, source text,
        sampling numeric, completeness text, rollup text
      )
    on conflict (site_id, metric, window_start, currency) do update
       set value = excluded.value, unit = excluded.unit, source = excluded.source, window_end = excluded.window_end,
           fetched_at = excluded.fetched_at, sampling = excluded.sampling, completeness = excluded.completeness,
           corrected_at = case when ${isCorrection} then excluded.fetched_at else stored.corrected_at end,
           previous_value = case when ${isCorrection} then stored.value else stored.previous_value end${replacedRollup}
     where excluded.fetched_at >= stored.fetched_at`
}

function rowOf(fact: Fact) {
  return {
    metric: fact.metric,
    window_start: new Date(fact.windowStart).toISOString(),
    window_end: new Date(fact.windowEnd).toISOString(),
    value: fact.value,
    unit: fact.unit,
    currency: fact.currency,
    source: fact.source,
    sampling: fact.sampling,
    completeness: fact.completeness,
    rollup: rollupOf(fact.metric),
  }
}

/** Days that the provider does not give follow their hours: those that `hours` lie in are made anew. */
async function rollUp(sql: Transaction, siteId: SiteId, hours: readonly Fact[]): Promise<void> {
  const rolledUp = hours.filter(({ metric }) => rollupOf(metric) !== null)
  if (rolledUp.length === 0) return
  const metrics = [...new Set(rolledUp.map(({ metric }) => metric))]
  const days = [...new Set(rolledUp.map(({ windowStart }) => new Date(utcDay(windowStart)).toISOString()))]
  await sql`
    select flarewatch.roll_up(
      ${siteId}::uuid,
      array(select jsonb_array_elements_text(${sql.json(metrics)}::jsonb)),
      array(select jsonb_array_elements_text(${sql.json(days)}::jsonb)::timestamptz)
    )`
}

function isHourly({ dataset }: Chunk): boolean {
  return dataset === 'hourly' || dataset === 'hourly_rollup'
}

/**
 * Where a first poll began is where its cursor stands, whatever came of it, and what lies before is planned as history. Once a site
 * and dataset.
 */
export async function planHistory(sql: Transaction, owner: Owner, chunk: Chunk, until: Date): Promise<void> {
  const { siteId, dataset } = chunk
  await saveCursor(sql, owner, chunk, until)
  const at = new Date(chunk.fetchedAt)
  await sql`
    insert into flarewatch.backfills (
      tenant_id, site_id, dataset, kind, until, done_from, next_at, created_at, updated_at
    )
    values (${owner.tenant_id}, ${siteId}, ${dataset}, 'connect', ${until}, ${until}, ${at}, ${at}, ${at})
    on conflict do nothing`
}

/** Only ever forward: two runs that overlap must not ask for less than either has seen. */
export async function saveCursor(sql: Transaction, owner: Owner, chunk: Chunk, until: Date): Promise<void> {
  await sql`
    insert into flarewatch.cursors as stored (site_id, dataset, tenant_id, complete_until, updated_at)
    values (${chunk.siteId}, ${chunk.dataset}, ${owner.tenant_id}, ${until}, ${new Date(chunk.fetchedAt)})
    on conflict (site_id, dataset) do update
       set complete_until = greatest(stored.complete_until, excluded.complete_until), updated_at = excluded.updated_at`
}

export type Incident = {
  readonly kind: string
  readonly tenantId: TenantId | null
  readonly detail: Record<string, string>
  readonly at: Date
}

export async function insertIncident(sql: Transaction, { kind, tenantId, detail, at }: Incident): Promise<void> {
  await sql`
    insert into flarewatch.incidents (id, tenant_id, kind, part, detail, at)
    values (${crypto.randomUUID()}, ${tenantId}, ${kind}, 'connector', ${sql.json(detail)}, ${at})`
}
