import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { IngestMessage } from '../../domain/contracts/queues.ts'
import type { EmbeddedPostgres } from '../postgres/postgres.ts'
import { checkout } from '../supervisor/checkout.ts'
import { type Comparison, compareWithBooks } from './compare.ts'
import { Said, type Work } from './connector-work.ts'
import { startGoldenPostgres } from './database.ts'
import { randomFrom } from './random.ts'
import { ENDS_AT, type GoldenOptions, LONGEST_BACKFILL_MS } from './scale.ts'
import { GoldenStand } from './stand.ts'

/** `accounts`: of each provider, in each agency. */
const SCALES = {
  ci: { kills: 3, accounts: 1 },
  full: { kills: 50, accounts: Number.POSITIVE_INFINITY },
} as const
const MINUTE_MS = 60_000
const RETENTION_DAYS = 90
/** A lost job's lease has run out by then. */
const PAST_THE_LEASE_MS = 16 * MINUTE_MS
/** From the moment at which the connector has its work. */
const LATEST_KILL_MS = 400
const MOST_CLOSING_STEPS = 200

export type KillsReport = Comparison & {
  readonly ok: boolean
  readonly seed: number
  readonly kills: number
  /** Jobs that a killed connector left leased, and the scheduler leased again. */
  readonly leased_again: number
  readonly agencies: number
  readonly histories_left: number
}

/** L1: a connector that is killed in the middle of reading histories loses and doubles nothing. */
export async function proveKills({ seed, scale, say }: GoldenOptions): Promise<KillsReport> {
  const database = await startGoldenPostgres()
  const budgetDir = mkdtempSync(join(tmpdir(), 'flarewatch-budgets-'))
  const stand = await GoldenStand.open(database, { seed, now: ENDS_AT, retentionDays: RETENTION_DAYS })
  try {
    await stand.openMonths(ENDS_AT - LONGEST_BACKFILL_MS, ENDS_AT + LONGEST_BACKFILL_MS / 12)
    await Promise.all(stand.faults.map((faults) => faults.end()))
    const { kills: planned, accounts } = SCALES[scale]
    const road = new Road(stand, database, { budgetDir, accounts, random: randomFrom(seed) })
    while (road.kills < planned) {
      const struck = await road.round()
      if (struck) say(`kill ${road.kills} of ${planned}, ${road.agencies} agencies`)
    }
    const endedAt = await road.close()
    const comparison = await compareWithBooks(stand, [], endedAt)
    const [row] = await stand.sql<{ again: number }[]>`
      select count(*)::int as again from flarewatch.jobs where attempt > 1`
    const histories_left = await stand.historiesLeft()
    const ok = comparison.differences.length + comparison.without_books.length + histories_left === 0
    const { kills, agencies } = road
    return { ok, seed, kills, leased_again: row?.again ?? 0, agencies, histories_left, ...comparison }
  } finally {
    await stand.stop()
    await database.stop()
    rmSync(budgetDir, { recursive: true, force: true })
  }
}

type RoadOptions = { readonly budgetDir: string; readonly accounts: number; readonly random: () => number }

class Road {
  kills = 0
  agencies = 0
  #at = ENDS_AT
  readonly #stand: GoldenStand
  readonly #database: EmbeddedPostgres
  readonly #options: RoadOptions

  constructor(stand: GoldenStand, database: EmbeddedPostgres, options: RoadOptions) {
    this.#stand = stand
    this.#database = database
    this.#options = options
  }

  /** Gives a new connector what is due, and kills it on the way while histories are read. Whether there was something to kill. */
  async round(): Promise<boolean> {
    if ((await this.#stand.historiesOpen()) === 0) {
      await this.#stand.foundAgency(this.#at, this.#options.accounts)
      this.agencies += 1
      // Histories are planned by a first poll.
      await this.#stand.tick(this.#at)
      this.#at += MINUTE_MS
    }
    const claimed = await this.#stand.claim(this.#at)
    const connector = new KillableConnector(this.#stand)
    await connector.ready
    connector.give(this.#workOf(claimed))
    const end = await Promise.race([connector.done, sleep(this.#options.random() * LATEST_KILL_MS, 'strike' as const)])
    await connector.kill()
    if (end === 'strike') this.kills += 1
    this.#at += end === 'strike' ? PAST_THE_LEASE_MS : MINUTE_MS
    return end === 'strike'
  }

  /** Nobody is killed any more: until every history is read, and once more for what each provider has new since. */
  async close(): Promise<number> {
    for (let step = 0; step < MOST_CLOSING_STEPS && (await this.#stand.historiesOpen()) > 0; step += 1) {
      this.#at += PAST_THE_LEASE_MS
      await this.#stand.tick(this.#at)
    }
    this.#at += PAST_THE_LEASE_MS
    await this.#stand.tick(this.#at)
    return this.#at
  }

  #workOf(messages: readonly IngestMessage[]): Work {
    const keys = this.#stand.agencies.vault.keys.map(({ subkey, ...key }) => ({
      ...key,
      subkey: Buffer.from(subkey).toString('hex'),
    }))
    const lanes = this.#stand.lanes.map(({ provider, clock }) => ({
      provider,
      now: clock.now,
      messages: [...this.#stand.of(provider, messages)],
    }))
    const databaseUrl = this.#database.urlFor('flarewatch_connector')
    return { databaseUrl, apiUrls: this.#stand.apiUrls, budgetDir: this.#options.budgetDir, keys, lanes }
  }
}

class KillableConnector {
  readonly ready: Promise<void>
  readonly done: Promise<'done'>
  readonly #child: ChildProcess
  readonly #gone: Promise<void>

  constructor(stand: GoldenStand) {
    this.#child = fork(checkout('local/golden/connector-process.ts'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const [ready, done] = [Promise.withResolvers<void>(), Promise.withResolvers<'done'>()]
    this.ready = ready.promise
    this.done = done.promise
    this.#gone = new Promise((gone) => this.#child.once('exit', () => gone()))
    this.#child.on('message', (message) => {
      const said = Said.parse(message)
      if (said === 'ready') return ready.resolve()
      if (said === 'done') return done.resolve('done')
      const lane = stand.lanes.find(({ provider }) => provider === said.provider)
      if (lane !== undefined) lane.clock.now += said.waited
    })
  }

  give(work: Work): void {
    this.#child.send(work)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#gone
  }
}
