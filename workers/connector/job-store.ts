import { z } from 'zod'
import { pauseAfter } from '../../domain/backfill/pace.ts'
import { CredentialId, JobId, SiteId, TenantId } from '../../domain/contracts/ids.ts'
import { Provider } from '../../domain/contracts/providers.ts'
import type { RunState } from '../../domain/contracts/runs.ts'
import { isRunReason, type RunReason } from '../../domain/runs/words.ts'
import type { Sql, Transaction } from '../runtime/database.ts'
import { insertIncident, planHistory, saveCursor, upsertFacts } from './facts-store.ts'
import { saveLook } from './findings-store.ts'
import type { Chunk, Look, PolledSite, SiteList } from './providers/provider.ts'
import { saveSites } from './site-store.ts'
import { replaceTops } from './top-store.ts'

/** The lease ran out or went to someone else: what was done for it must not be stored any more. */
export class LeaseLost extends Error {
  constructor() {
    super('lease_lost')
    this.name = 'LeaseLost'
  }
}

const MAX_CIPHERTEXT_BYTES = 4096
const LeasedJob = z.object({
  id: JobId,
  tenant_id: TenantId,
  credential_id: CredentialId,
  kind: z.enum(['poll', 'reseal', 'backfill']),
  attempt: z.int(),
  /** Of the last try that failed. A word of a newer version of ours is none that this one knows. */
  reason: z
    .string()
    .transform((word) => (isRunReason(word) ? word : null))
    .nullable(),
  provider: Provider,
  credential_state: z.enum(['active', 'parked']),
  sites_seen_at: z.date().nullable(),
  dek_version: z.int(),
  ciphertext: z.instanceof(Uint8Array).refine((bytes) => bytes.length <= MAX_CIPHERTEXT_BYTES),
})
export type LeasedJob = z.output<typeof LeasedJob>

const SiteRow = z.object({
  id: SiteId,
  provider_ref: z.string(),
  time_zone: z.string(),
  currencies: z.array(z.string()),
  hourly: z.date().nullable(),
  daily: z.date().nullable(),
  hourly_rollup: z.date().nullable(),
  paths: z.date().nullable(),
})

/**
 * The connector's side of Postgres. Each act is one transaction that first says for which job and at what time it is made:
 * the policies of `flarewatch_connector` show the rows of that job alone, and only while it is leased.
 */
export class JobStore {
  readonly #sql: Sql
  readonly #clock: () => Promise<number>

  constructor(sql: Sql, clock: () => Promise<number>) {
    this.#sql = sql
    this.#clock = clock
  }

  /** The job if it is leased now, with what its credential needs to be opened. */
  leased(jobId: JobId): Promise<LeasedJob | undefined> {
    return this.#bound(jobId, async (sql) => {
      const [row] = await sql`
        select j.id, j.tenant_id, j.credential_id, j.kind, j.attempt, j.reason, c.provider, c.state as credential_state,
               c.sites_seen_at, c.dek_version, c.ciphertext
          from flarewatch.jobs j join flarewatch.credentials c on (c.tenant_id, c.id) = (j.tenant_id, j.credential_id)
         where j.id = ${jobId}`
      return row === undefined ? undefined : LeasedJob.parse(row)
    })
  }

  /** What is known of a job that is not leased now, for whoever asks why its message was refused. */
  known(jobId: JobId): Promise<{ readonly tenantId: TenantId; readonly state: string } | undefined> {
    return this.#bound(jobId, async (sql) => {
      const [row] = await sql`select tenant_id, state from flarewatch.jobs where id = ${jobId}`
      if (row === undefined) return undefined
      const { tenant_id, state } = z.object({ tenant_id: TenantId, state: z.string() }).parse(row)
      return { tenantId: tenant_id, state }
    })
  }

  sites(job: LeasedJob): Promise<PolledSite[]> {
    return this.#bound(job.id, async (sql) => {
      const rows = await sql`
        select s.id, s.provider_ref, s.time_zone,
               to_jsonb(array(
                 select distinct f.currency from flarewatch.facts_daily f where f.site_id = s.id and f.currency <> 'XXX'
               )) as currencies,
               max(c.complete_until) filter (where c.dataset = 'hourly') as hourly,
               max(c.complete_until) filter (where c.dataset = 'daily') as daily,
               max(c.complete_until) filter (where c.dataset = 'hourly_rollup') as hourly_rollup,
               max(c.complete_until) filter (where c.dataset = 'paths') as paths
          from flarewatch.sites s left join flarewatch.cursors c on c.site_id = s.id
         where s.credential_id = ${job.credential_id} and s.removed_at is null
         group by s.id, s.provider_ref, s.time_zone
         order by s.id`
      return z
        .array(SiteRow)
        .parse(rows.slice())
        .map(({ id, provider_ref, time_zone, currencies, ...cursors }) => ({
          id,
          providerRef: provider_ref,
          timeZone: time_zone,
          currencies,
          cursors: {
            hourly: cursors.hourly?.getTime() ?? null,
            daily: cursors.daily?.getTime() ?? null,
            hourly_rollup: cursors.hourly_rollup?.getTime() ?? null,
            paths: cursors.paths?.getTime() ?? null,
          },
        }))
    })
  }

  /** Facts, their provenance and the cursor, or none of them. */
  store(job: LeasedJob, chunk: Chunk): Promise<void> {
    return this.#whileLeased(job.id, async (sql) => {
      if (chunk.facts.length > 0) await upsertFacts(sql, job, chunk)
      if (chunk.tops !== undefined) await replaceTops(sql, job, chunk, chunk.tops)
      if (chunk.historyUntil !== undefined) await planHistory(sql, job, chunk, new Date(chunk.historyUntil))
      if (chunk.completeUntil !== null) await saveCursor(sql, job, chunk, new Date(chunk.completeUntil))
    })
  }

  /** Which sites the key reaches now. */
  noteSites(job: LeasedJob, list: SiteList): Promise<void> {
    return this.#whileLeased(job.id, (sql, at) => saveSites(sql, job, list, at))
  }

  /** What one look at a site found, and what is found no more. */
  storeFindings(job: LeasedJob, look: Look): Promise<void> {
    return this.#whileLeased(job.id, (sql) => saveLook(sql, job, look))
  }

  /** A failed try of a job that stays leased: the reason waits here for the dead letter, and shows meanwhile. */
  noteRetry(job: LeasedJob, code: RunReason): Promise<void> {
    return this.#bound(job.id, async (sql) => {
      await sql`update flarewatch.jobs set reason = ${code} where id = ${job.id}`
    })
  }

  /** The record under its new key, and the end of its job, or neither. False when it was no longer the record that was opened. */
  reseal(job: LeasedJob, { dekVersion, kekVersion, wrappedDek, salt, ciphertext }: ResealedRecord): Promise<boolean> {
    return this.#bound(job.id, async (sql, at) => {
      const [row] = await sql<{ swapped: boolean }[]>`
        select flarewatch.reseal_credential(
          ${job.dek_version}, ${dekVersion}, ${kekVersion}, ${wrappedDek}, ${salt}, ${ciphertext}
        ) as swapped`
      const swapped = row?.swapped === true
      const end: RunEnd = swapped
        ? { state: 'done', runState: 'complete', reason: null }
        : { state: 'failed', runState: 'failed', reason: 'record_moved' }
      await endJob(sql, job, end, at)
      return swapped
    })
  }

  /** The end of a job that leaves its credential as it is. */
  finishReseal(job: LeasedJob, end: RunEnd): Promise<void> {
    return this.#bound(job.id, (sql, at) => endJob(sql, job, end, at))
  }

  /** The end of a job and what its credential shows from then on. */
  finish(job: LeasedJob, end: JobEnd): Promise<void> {
    return this.#bound(job.id, async (sql, at) => {
      const { credential } = end
      // The credential first: the policies show it only while the job is still leased.
      await sql`
        update flarewatch.credentials
           set state = ${credential.parked ? 'parked' : 'active'},
               reason = ${credential.reason},
               last_used_at = case when ${credential.used} then ${at} else last_used_at end,
               last_success_at = case when ${credential.succeeded} then ${at} else last_success_at end,
               next_poll_at = greatest(next_poll_at, ${credential.notBefore})
         where id = ${job.credential_id} and (state = 'active' or ${credential.parked})
           -- What the provider said of a secret says nothing of the one that took its place meanwhile.
           and (not ${credential.parked} or ciphertext = ${job.ciphertext})`
      await endJob(sql, job, end, at)
    })
  }

  /** The end of a backfill job. Of the credential it shows that it was used, and that the provider no longer accepts it. */
  finishBackfill(job: LeasedJob, end: JobEnd): Promise<void> {
    return this.#bound(job.id, async (sql, at) => {
      const { parked, reason, used, notBefore } = end.credential
      const pause = pauseAfter(end.state, end.runState)
      await sql`
        update flarewatch.credentials
           set state = case when ${parked} then 'parked' else state end,
               reason = case when ${parked} then ${reason} else reason end,
               last_used_at = case when ${used} then ${at} else last_used_at end
         where id = ${job.credential_id} and state = 'active'
           and (not ${parked} or ciphertext = ${job.ciphertext})`
      // Where it parked, the key that takes its place goes on at once.
      if (pause > 0 && !parked) {
        await sql`
          update flarewatch.backfills
             set next_at = greatest(next_at, ${new Date(at.getTime() + pause)}, ${notBefore}),
                 reason = ${end.reason}
           where state = 'open'`
      }
      await endJob(sql, job, end, at)
    })
  }

  /** What no leased job explains. The message's own text is not repeated: it is anyone's. */
  async refuse(detail: Record<string, string>, tenantId: TenantId | null): Promise<void> {
    const at = new Date(await this.#clock())
    await this.#sql.begin((sql) => insertIncident(sql, { kind: 'queue_message_refused', tenantId, detail, at }))
  }

  /** The lease is held until what is stored for it is there. */
  #whileLeased(jobId: JobId, act: (sql: Transaction, at: Date) => Promise<void>): Promise<void> {
    return this.#bound(jobId, async (sql, at) => {
      const held = await sql`select 1 from flarewatch.jobs where id = ${jobId} for share`
      if (held.length === 0) throw new LeaseLost()
      await act(sql, at)
    })
  }

  /** One transaction in which the rows of a leased job are seen. */
  within<Value>(job: LeasedJob, act: (sql: Transaction, at: Date) => Promise<Value>): Promise<Value> {
    return this.#bound(job.id, act)
  }

  async #bound<Value>(jobId: JobId, act: (sql: Transaction, at: Date) => Promise<Value>): Promise<Value> {
    return boundTo(this.#sql, jobId, new Date(await this.#clock()), act)
  }
}

/** One transaction that says first for which job and at what time it is made. */
export async function boundTo<Value>(
  connection: Sql,
  jobId: JobId,
  at: Date,
  act: (sql: Transaction, at: Date) => Promise<Value>,
): Promise<Value> {
  const result = await connection.begin(async (sql) => {
    await sql`select flarewatch.bind_job(${jobId}, ${at})`
    return { value: await act(sql, at) }
  })
  return result.value
}

async function endJob(
  sql: Transaction,
  job: LeasedJob,
  { state, runState, reason, incident }: RunEnd,
  at: Date,
): Promise<void> {
  const ended = await sql`
    update flarewatch.jobs set state = ${state}, run_state = ${runState}, reason = ${reason}, finished_at = ${at}
    where id = ${job.id}`
  if (ended.count === 0) throw new LeaseLost()
  if (incident === undefined) return
  const detail = { job_id: job.id, code: reason ?? runState }
  await insertIncident(sql, { kind: incident, tenantId: job.tenant_id, detail, at })
}

export type ResealedRecord = {
  readonly dekVersion: number
  readonly kekVersion: number
  readonly wrappedDek: Uint8Array
  readonly salt: Uint8Array
  readonly ciphertext: Uint8Array
}

/** How the queue sees it, how the run ended, and why it is not complete. */
export type RunEnd = {
  readonly state: 'done' | 'failed' | 'dead'
  readonly runState: RunState
  readonly reason: RunReason | null
  readonly incident?: string
}
export type JobEnd = RunEnd & {
  readonly credential: {
    readonly parked: boolean
    readonly reason: RunReason | null
    readonly used: boolean
    readonly succeeded: boolean
    readonly notBefore: Date | null
  }
}
