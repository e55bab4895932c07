import type postgres from 'postgres'
import { HISTORY_MS } from '../../domain/backfill/retention.ts'
import { withDatabase } from '../../workers/runtime/database.ts'
import scheduler from '../../workers/scheduler/poll.cron.ts'
import { pruneHours } from '../../workers/verifier/facts-retention.ts'
import type { EmbeddedPostgres } from '../postgres/postgres.ts'
import { type Comparison, compareWithBooks } from './compare.ts'
import { startGoldenPostgres } from './database.ts'
import { ENDS_AT, type GoldenOptions, LONGEST_BACKFILL_MS } from './scale.ts'
import { GoldenStand, type SendDue } from './stand.ts'
import { countRows, type Growth, unexplainedGrowth } from './tables.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** `tickMs`: how often the scheduler comes; in production each minute. */
const SCALES = {
  ci: { days: 2, tickMs: 30 * MINUTE_MS },
  full: { days: 30, tickMs: MINUTE_MS },
} as const
const RETENTION_DAYS = 90

export type OperationReport = Pick<Comparison, 'differences' | 'facts'> & {
  readonly ok: boolean
  readonly seed: number
  readonly days: number
  readonly jobs: number
  readonly calls: number
  /** Calls that a provider refused for their number. */
  readonly refused_calls: number
  readonly tick_ms: number
  /** Between the time at which a key was due and the tick that claimed it, and from there to the end of its job, at the most. */
  readonly longest_lag_ms: number
  readonly longest_job_ms: number
  readonly keys_not_active: number
  readonly histories_left: number
  readonly tables: Growth['tables']
  /** Tables that grew and may not. */
  readonly unexplained: readonly string[]
}

/** Thirty days of an agency: every key is polled when it is due, no provider is asked too often, and no table grows that should not. */
export async function proveOperation({ seed, scale, say }: GoldenOptions): Promise<OperationReport> {
  const database = await startGoldenPostgres()
  const { days, tickMs } = SCALES[scale]
  const stand = await GoldenStand.open(database, { seed, now: ENDS_AT, retentionDays: RETENTION_DAYS })
  try {
    await stand.openMonths(ENDS_AT - LONGEST_BACKFILL_MS, ENDS_AT + (days + 2) * DAY_MS)
    await Promise.all(stand.faults.map((faults) => faults.end()))
    await stand.foundAgency(ENDS_AT, 1)
    const operation = new Operation(stand, database, tickMs)
    const counts = [await countRows(stand.sql)]
    for (let day = 1; day <= days; day += 1) {
      await operation.until(ENDS_AT + day * DAY_MS)
      counts.push(await countRows(stand.sql))
      say(`day ${day} of ${days}: ${operation.jobs} jobs, longest lag ${operation.longestLagMs / 1000} s`)
    }
    const growth = unexplainedGrowth(counts)
    const hoursKeptFrom = operation.lastTick - HISTORY_MS.hourly
    const { facts, differences } = await compareWithBooks(stand, [], operation.lastTick, hoursKeptFrom)
    const state = await figures(stand.sql)
    const refused_calls = sum(stand.lanes.map(({ refusals }) => refusals))
    const histories_left = await stand.historiesLeft()
    const faults = [refused_calls, state.keys_not_active, histories_left, growth.unexplained.length, differences.length]
    return {
      ok: sum(faults) === 0 && operation.longestLagMs <= tickMs && state.longest_job_ms < tickMs,
      ...{ seed, days, jobs: operation.jobs, calls: sum(stand.lanes.map(({ calls }) => calls)), refused_calls },
      ...{
        tick_ms: tickMs,
        longest_lag_ms: operation.longestLagMs,
        ...state,
        histories_left,
        ...growth,
        facts,
        differences,
      },
    }
  } finally {
    await stand.stop()
    await database.stop()
  }
}

class Operation {
  jobs = 0
  longestLagMs = 0
  lastTick = ENDS_AT
  #nextHour = ENDS_AT
  readonly #stand: GoldenStand
  readonly #database: EmbeddedPostgres
  readonly #tickMs: number

  constructor(stand: GoldenStand, database: EmbeddedPostgres, tickMs: number) {
    this.#stand = stand
    this.#database = database
    this.#tickMs = tickMs
  }

  /** Ticks on which nothing is due are left out: they would claim nothing. */
  async until(end: number): Promise<void> {
    for (;;) {
      const dueAt = await this.#nextDue()
      const ticks = Math.max(1, Math.ceil((dueAt - this.lastTick) / this.#tickMs))
      const at = this.lastTick + ticks * this.#tickMs
      if (at > end) return
      const due = (await this.#stand.connections()).filter((one) => one.dueAt <= at)
      this.jobs += await this.#stand.tick(at, this.#isHour(at) ? this.#wholeCron : undefined)
      this.longestLagMs = Math.max(this.longestLagMs, ...due.map((one) => at - one.dueAt))
      this.lastTick = at
    }
  }

  async #nextDue(): Promise<number> {
    const [row] = await this.#stand.sql<{ at: Date }[]>`
      select least(
        (select min(next_poll_at) from flarewatch.credentials where state = 'active'),
        (select min(next_at) from flarewatch.backfills where state = 'open')
      ) as at`
    return row?.at.getTime() ?? Number.POSITIVE_INFINITY
  }

  #isHour(at: number): boolean {
    if (at < this.#nextHour) return false
    this.#nextHour = at + 60 * MINUTE_MS
    return true
  }

  /** With all that it removes, and the verifier's part of that: once an hour here, since it would find nothing more each minute. */
  readonly #wholeCron: SendDue = async (queue, at) => {
    const waiting: Promise<unknown>[] = []
    const controller = { cron: '* * * * *', scheduledTime: at, type: 'scheduled', noRetry: () => {} } as const
    const env = { DB: { connectionString: this.#database.urlFor('flarewatch_scheduler') }, INGEST: queue }
    const context = { waitUntil: (work: Promise<unknown>) => void waiting.push(work) } as ExecutionContext
    await scheduler.scheduled(controller, env, context)
    const verifier = { connectionString: this.#database.urlFor('flarewatch_verifier') } as Hyperdrive
    await withDatabase(verifier, context, (sql) => pruneHours(sql, new Date(at)))
    await Promise.all(waiting)
  }
}

async function figures(sql: postgres.Sql): Promise<{ keys_not_active: number; longest_job_ms: number }> {
  const [row] = await sql<{ keys_not_active: number; longest_job_ms: number }[]>`
    select (select count(*)::int from flarewatch.credentials where state <> 'active') as keys_not_active,
      (select coalesce(max(extract(epoch from finished_at - created_at)) * 1000, 0)::float8 from flarewatch.jobs) as longest_job_ms`
  if (row === undefined) throw new Error('the figures are missing')
  return { ...row }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
