import type { EmbeddedPostgres } from '../postgres/postgres.ts'
import { type Comparison, compareWithBooks, type WholeRun } from './compare.ts'
import { startGoldenPostgres } from './database.ts'
import { FAULT_KINDS } from './faults.ts'
import { ENDS_AT, type GoldenOptions, LONGEST_BACKFILL_MS } from './scale.ts'
import { GoldenStand } from './stand.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/**
 * Steps are not a whole part of a day, so that each poll comes at another time of it. `full`: one agency is polled through two years, another stores its keys at the end of them and reads them back. `ci`: one agency that
 * reads thirty days back and is polled for thirty more.
 */
const SCALES = {
  ci: { seeds: 1, connectedDaysAgo: [30], retentionDays: 30, stepMs: 17 * HOUR_MS + 7 * MINUTE_MS },
  full: { seeds: 3, connectedDaysAgo: [728, 30], retentionDays: 800, stepMs: 11 * HOUR_MS + 7 * MINUTE_MS },
} as const
/** While a history is read: longer than a pause after a failure. */
const HISTORY_STEP_MS = 16 * MINUTE_MS
/** Polls of a good day until everything must have come. */
const QUIET_STEPS = 12
const QUIET_STEP_MS = 2 * HOUR_MS
const MOST_TOLD = 20

export type SeedReport = Comparison & {
  readonly seed: number
  readonly days: number
  readonly jobs: number
  readonly calls: number
  readonly tries: number
  /** Of all tries, the part that each kind of fault struck; the provider's own refusals for too many calls are not among them. */
  readonly fault_rates: Readonly<Record<string, number>>
  /** How often a provider's refusal parked a key, which was then activated again. */
  readonly parked: number
  /** Sites' datasets whose history was not read to its end. */
  readonly histories_left: number
  readonly ms: number
}
export type TotalsReport = { readonly ok: boolean; readonly seeds: readonly SeedReport[] }

/** Every metric, however often each fault struck, is what the provider has in its books. */
export async function proveTotals({ seed, scale, say }: GoldenOptions): Promise<TotalsReport> {
  const seeds: SeedReport[] = []
  for (let index = 0; index < SCALES[scale].seeds; index += 1) {
    const database = await startGoldenPostgres()
    try {
      seeds.push(await runSeed(database, { seed: seed + index, scale, say }))
    } finally {
      await database.stop()
    }
  }
  const isGolden = ({ differences, without_books, histories_left }: SeedReport) =>
    differences.length + without_books.length + histories_left === 0
  return { ok: seeds.every(isGolden), seeds }
}

async function runSeed(database: EmbeddedPostgres, { seed, scale, say }: GoldenOptions): Promise<SeedReport> {
  const began = Date.now()
  const { connectedDaysAgo, retentionDays, stepMs } = SCALES[scale]
  const connectAt = connectedDaysAgo.map((days) => ENDS_AT - days * DAY_MS)
  const beginsAt = Math.min(...connectAt)
  const stand = await GoldenStand.open(database, { seed, now: beginsAt, retentionDays })
  try {
    await stand.openMonths(beginsAt - LONGEST_BACKFILL_MS, ENDS_AT + 7 * DAY_MS)
    const history = new History(stand)
    for (const [index, connectedAt] of connectAt.entries()) {
      await stand.foundAgency(connectedAt)
      const until = connectAt[index + 1] ?? ENDS_AT
      for (let at = connectedAt, step = 0; at < until; step += 1) {
        await history.step(at)
        at += (await stand.historiesOpen()) > 0 ? HISTORY_STEP_MS : stepMs
        if (step % 100 === 0) say(`seed ${seed}: ${new Date(at).toISOString().slice(0, 10)}, ${history.jobs} jobs`)
      }
    }
    await Promise.all(stand.faults.map((faults) => faults.end()))
    let at = ENDS_AT
    for (let step = 0; step < QUIET_STEPS; step += 1, at += QUIET_STEP_MS) await history.step(at)
    const comparison = await compareWithBooks(stand, history.runs, at - QUIET_STEP_MS)
    say(`seed ${seed}: ${comparison.facts} facts, ${comparison.differences.length} differences`)
    // A seed takes a quarter of an hour: what it found is not kept for the end of the last one.
    for (const difference of comparison.differences.slice(0, MOST_TOLD)) say(`  ${JSON.stringify(difference)}`)
    const days = Math.round((at - beginsAt) / DAY_MS)
    return {
      seed,
      days,
      jobs: history.jobs,
      ...tally(stand),
      parked: history.parked,
      histories_left: await stand.historiesLeft(),
      ...comparison,
      ms: Date.now() - began,
    }
  } finally {
    await stand.stop()
  }
}

/** What a run of steps leaves to be known: which polls were whole. A parked key is activated again, as an owner who has looked at it does. */
class History {
  readonly runs: WholeRun[] = []
  jobs = 0
  parked = 0
  readonly #stand: GoldenStand
  readonly #lastSuccess = new Map<string, number>()

  constructor(stand: GoldenStand) {
    this.#stand = stand
  }

  async step(at: number): Promise<void> {
    this.jobs += await this.#stand.tick(at)
    const { count } = await this.#stand.sql`
      update flarewatch.credentials set state = 'active', reason = null, next_poll_at = ${new Date(at)} where state = 'parked'`
    this.parked += count
    for (const { credentialId, lastSuccessAt } of await this.#stand.connections()) {
      if (lastSuccessAt === null || this.#lastSuccess.get(credentialId) === lastSuccessAt) continue
      this.#lastSuccess.set(credentialId, lastSuccessAt)
      this.runs.push({ credentialId, at: lastSuccessAt })
    }
  }
}

function tally({ lanes, faults }: GoldenStand): Pick<SeedReport, 'calls' | 'tries' | 'fault_rates'> {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
  const tries = sum(faults.map((plan) => plan.tries))
  const rateOf = (kind: (typeof FAULT_KINDS)[number]) =>
    Math.round((1000 * sum(faults.map(({ struck }) => struck[kind] ?? 0))) / tries) / 1000
  return {
    calls: sum(lanes.map(({ calls }) => calls)),
    tries,
    fault_rates: Object.fromEntries(FAULT_KINDS.map((kind) => [kind, rateOf(kind)])),
  }
}
