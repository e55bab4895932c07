import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Transaction } from '../runtime/database.ts'
import type { Chunk, DayTop } from './providers/provider.ts'

type Owner = { readonly tenant_id: TenantId; readonly provider: string }

/** A day's set takes the place of the one before, as a whole. A reply that is older than what is stored changes nothing. */
export async function replaceTops(
  sql: Transaction,
  owner: Owner,
  { siteId, fetchedAt }: Pick<Chunk, 'siteId' | 'fetchedAt'>,
  tops: readonly DayTop[],
): Promise<void> {
  if (tops.length === 0) return
  const at = new Date(fetchedAt)
  const rows = sql.json(tops.flatMap(rowsOf))
  await sql`
    delete from flarewatch.facts_top as stored
     using (
       select distinct dimension, window_start
         from jsonb_to_recordset(${rows}::jsonb) as top (dimension text, window_start timestamptz)
     ) as day
     where stored.site_id = ${siteId}::uuid and stored.dimension = day.dimension and stored.window_start = day.window_start
       and stored.fetched_at <= ${at}`
  await sql`
    insert into flarewatch.facts_top (
      site_id, tenant_id, provider, dimension, window_start, window_end, rank, key, value, source, fetched_at, sampling,
      completeness
    )
    select ${siteId}::uuid, ${owner.tenant_id}::uuid, ${owner.provider}, dimension, window_start, window_end, rank, key, value,
           source, ${at}::timestamptz, sampling, completeness
      from jsonb_to_recordset(${rows}::jsonb) as top (
        dimension text, window_start timestamptz, window_end timestamptz, rank smallint, key text, value numeric, source text,
        sampling numeric, completeness text
      )
     -- What is left of a day is newer.
     where not exists (
       select from flarewatch.facts_top as newer
        where newer.site_id = ${siteId}::uuid and newer.dimension = top.dimension and newer.window_start = top.window_start
     )`
}

function rowsOf({ shares, rest, dimension, windowStart, windowEnd, source, sampling, completeness }: DayTop) {
  const day = {
    dimension,
    window_start: new Date(windowStart).toISOString(),
    window_end: new Date(windowEnd).toISOString(),
    source,
    completeness,
  }
  return [
    { ...day, rank: 0, key: null, value: rest, sampling },
    ...shares.map((share, index) => ({ ...day, rank: index + 1, ...share })),
  ]
}
