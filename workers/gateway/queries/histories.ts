import { z } from 'zod'
import { progressOf } from '../../../domain/backfill/progress.ts'
import { HISTORY_MS, WINDOW_MS } from '../../../domain/backfill/retention.ts'
import type { CredentialHistory } from '../../../domain/contracts/api.ts'
import { CredentialId } from '../../../domain/contracts/ids.ts'
import type { Tenancy } from '../with-tenant.ts'

const milliseconds = z
  .date()
  .nullable()
  .transform((at) => at?.getTime() ?? null)
const Row = z.object({
  credential_id: CredentialId,
  open: z.int(),
  stopped: z.int(),
  stored: z.number(),
  wanted: z.number(),
  started_at: milliseconds,
  moved_at: milliseconds,
  oldest_at: z.date(),
  is_resync: z.boolean(),
  reason: z.string().nullable(),
})

/**
 * How far the history of each credential is read. What ended before the oldest open one was planned is left out while one is open: a
 * site that is found a year later has a progress of its own. Before a provider was asked how far back it goes, the longest is assumed.
 */
export async function listHistories({
  sql,
  tenantId,
}: Tenancy): Promise<ReadonlyMap<CredentialId, z.input<typeof CredentialHistory>>> {
  const rows = await sql`
    with mine as (
      select s.credential_id, b.*,
        min(b.created_at) filter (where b.state = 'open') over (partition by s.credential_id) as open_since,
        (${sql.json(WINDOW_MS)}::jsonb ->> b.dataset)::float8 / 1000 as width,
        coalesce(b.since, b.until - make_interval(
          secs => (${sql.json(HISTORY_MS)}::jsonb ->> b.dataset)::float8 / 1000
        )) as wanted_from
      from flarewatch.backfills b join flarewatch.sites s on s.tenant_id = b.tenant_id and s.id = b.site_id
      where b.tenant_id = ${tenantId}
    )
    select credential_id,
      count(*) filter (where state = 'open')::int as open,
      count(*) filter (where state = 'stopped' and kind = 'connect')::int as stopped,
      coalesce(sum(extract(epoch from until - done_from) / width), 0)::float8 as stored,
      coalesce(sum(
        extract(epoch from until - case state when 'open' then least(wanted_from, done_from) else done_from end) / width
      ), 0)::float8 as wanted,
      min(started_at) as started_at,
      max(updated_at) filter (where slices > 0) as moved_at,
      coalesce(max(done_from) filter (where dataset = 'daily' and kind = 'connect'), max(done_from)) as oldest_at,
      bool_or(kind = 'resync' and state = 'open') as is_resync,
      (array_agg(reason order by updated_at desc, id) filter (where state <> 'done' and reason is not null))[1] as reason
    from mine
    where open_since is null or state = 'open' or finished_at >= open_since
    group by credential_id`
  return new Map(
    z
      .array(Row)
      .parse(rows.slice())
      .map((row) => [row.credential_id, historyOf(row)]),
  )
}

function historyOf(row: z.output<typeof Row>): z.input<typeof CredentialHistory> {
  const { open, stopped, stored, wanted, started_at: startedAt, moved_at: movedAt } = row
  const { state, percent, remainingSeconds } = progressOf({ open, stopped, stored, wanted, startedAt, movedAt })
  return {
    state,
    percent,
    remaining_seconds: remainingSeconds,
    oldest_at: row.oldest_at.toISOString(),
    resync: row.is_resync,
    reason: state === 'done' ? null : row.reason,
  }
}
