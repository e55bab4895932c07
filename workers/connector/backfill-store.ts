import { z } from 'zod'
import { SiteId } from '../../domain/contracts/ids.ts'
import { upsertFacts } from './facts-store.ts'
import { type JobStore, type LeasedJob, LeaseLost } from './job-store.ts'
import type { Slice } from './providers/provider.ts'
import { replaceTops } from './top-store.ts'

/** More of them wait for the next job. */
const MOST_BACKFILLS = 500

const instant = z.date().transform((at) => at.getTime())
const Backfill = z.object({
  id: z.uuid(),
  siteId: SiteId,
  dataset: z.enum(['hourly', 'daily', 'hourly_rollup', 'paths']),
  /** Null until the provider was asked how far back it goes. */
  since: instant.nullable(),
  until: instant,
  doneFrom: instant,
  failures: z.int(),
})
export type Backfill = z.output<typeof Backfill>

/** Those of a leased job that are to go on now: what was asked for first, then what is furthest behind the present last. */
export function openBackfills(store: JobStore, job: LeasedJob): Promise<Backfill[]> {
  return store.within(job, async (sql, at) => {
    const rows = await sql`
      select id, site_id as "siteId", dataset, since, until, done_from as "doneFrom", failures
        from flarewatch.backfills
       where state = 'open' and next_at <= ${at}
       order by kind = 'resync' desc, done_from desc, id
       limit ${MOST_BACKFILLS}`
    return z.array(Backfill).parse(rows.slice())
  })
}

/** How far back it will go, once that is known; it may move on while a history is read, as the provider drops its oldest days. */
export function planBackfill(
  store: JobStore,
  job: LeasedJob,
  { id, doneFrom }: Backfill,
  since: number,
): Promise<void> {
  return store.within(job, async (sql, at) => {
    const isDone = since >= doneFrom
    const planned = await sql`
      update flarewatch.backfills
         set since = ${new Date(since)}, updated_at = ${at}, started_at = coalesce(started_at, ${at}),
             state = ${isDone ? 'done' : 'open'}, finished_at = ${isDone ? at : null}
       where id = ${id} and state = 'open'`
    if (planned.count === 0) throw new LeaseLost()
  })
}

/** A slice's facts, their provenance and how far the backfill is, or none of them. A slice that comes twice changes nothing. */
export function storeSlice(
  store: JobStore,
  job: LeasedJob,
  backfill: Backfill & { readonly since: number },
  slice: Slice,
): Promise<void> {
  return store.within(job, async (sql, at) => {
    const isDone = slice.from <= backfill.since
    // The policies show the row while the lease lasts alone.
    const moved = await sql`
      update flarewatch.backfills
         set done_from = ${new Date(slice.from)}, slices = slices + 1, facts = facts + ${slice.facts.length},
             failures = 0, reason = null, updated_at = ${at}, started_at = coalesce(started_at, ${at}),
             state = ${isDone ? 'done' : 'open'}, finished_at = ${isDone ? at : null}
       where id = ${backfill.id} and state = 'open' and done_from = ${new Date(backfill.doneFrom)}`
    if (moved.count === 0) throw new LeaseLost()
    const held = await sql`select 1 from flarewatch.jobs where id = ${job.id} for share`
    if (held.length === 0) throw new LeaseLost()
    const { siteId, dataset } = backfill
    if (slice.facts.length > 0) await upsertFacts(sql, job, { siteId, dataset, ...slice, completeUntil: null })
    if (slice.tops !== undefined) await replaceTops(sql, job, { siteId, ...slice }, slice.tops)
  })
}

/** A slice that failed: its backfill waits, or stops where waiting is no use. */
export function noteFailedSlice(
  store: JobStore,
  job: LeasedJob,
  { id }: Backfill,
  { reason, nextAt }: { readonly reason: string; readonly nextAt: number | null },
): Promise<void> {
  return store.within(job, async (sql, at) => {
    await sql`
      update flarewatch.backfills
         set failures = failures + 1, reason = ${reason}, updated_at = ${at},
             next_at = ${nextAt === null ? at : new Date(nextAt)},
             state = ${nextAt === null ? 'stopped' : 'open'}, finished_at = ${nextAt === null ? at : null}
       where id = ${id} and state = 'open'`
  })
}
