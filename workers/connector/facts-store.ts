import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Transaction } from '../runtime/database.ts'
import type { Chunk } from './providers/provider.ts'

type Owner = { readonly tenant_id: TenantId; readonly provider: string }

/** Idempotent by site, metric, currency and window. A reply that is older than what is stored changes nothing. */
export async function upsertFacts(sql: Transaction, owner: Owner, chunk: Chunk): Promise<void> {
  const table = sql(isHourly(chunk) ? 'flarewatch.facts_hourly' : 'flarewatch.facts_daily')
  const rows = chunk.facts.map((fact) => ({
    metric: fact.metric,
    window_start: new Date(fact.windowStart).toISOString(),
    window_end: new Date(fact.windowEnd).toISOString(),
    value: fact.value,
    unit: fact.unit,
    currency: fact.currency,
    source: fact.source,
    sampling: fact.sampling,
    completeness: fact.completeness,
  }))
  await sql`
    insert into ${table} as stored (
      site_id, tenant_id, provider, metric, window_start, window_end, value, unit, currency, source, fetched_at,
      sampling, completeness
    )
    select ${chunk.siteId}::uuid, ${owner.tenant_id}::uuid, ${owner.provider}, metric, window_start, window_end, value, unit,
           coalesce(currency, 'XXX'), source, ${new Date(chunk.fetchedAt)}::timestamptz, sampling, completeness
      from jsonb_to_recordset(${sql.json(rows)}::jsonb) as fact (
        metric text, window_start timestamptz, window_end timestamptz, value numeric, unit text, currency text, source text,
        sampling numeric, completeness text
      )
    on conflict (site_id, metric, window_start, currency) do update
       set value = excluded.value, unit = excluded.unit, source = excluded.source, window_end = excluded.window_end,
           fetched_at = excluded.fetched_at, sampling = excluded.sampling, completeness = excluded.completeness
     where excluded.fetched_at >= stored.fetched_at`
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
