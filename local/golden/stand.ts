import postgres from 'postgres'
import { Provider } from '../../domain/contracts/providers.ts'
import type { IngestMessage } from '../../domain/contracts/queues.ts'
import { type ApiUrls, PROVIDERS } from '../../domain/providers/registry.ts'
import { connect, type Sql } from '../../workers/runtime/database.ts'
import { fanOut } from '../../workers/scheduler/fan-out.ts'
import type { EmbeddedPostgres } from '../postgres/postgres.ts'
import { Agencies } from './agency.ts'
import { type OpenProvider, PROVIDER_BOOKS } from './books.ts'
import { FaultPlan } from './faults.ts'
import { Lane } from './lane.ts'
import { randomFrom } from './random.ts'

const MONTH_STEP_MS = 28 * 86_400_000

export type Connection = {
  readonly credentialId: string
  readonly dueAt: number
  readonly lastSuccessAt: number | null
}

/** The scheduler's part of a tick: fills the queue. */
export type SendDue = (queue: Pick<Queue<IngestMessage>, 'sendBatch'>, at: number) => Promise<unknown>
type LaneParts = { readonly lane: Lane; readonly open: OpenProvider; readonly client: Sql; readonly faults: FaultPlan }

/**
 * The scheduler's and the connector's own code over a real Postgres and simulated providers, without workerd between them: two
 * years of polls in minutes, all on a simulated clock.
 */
export class GoldenStand {
  readonly sql: postgres.Sql
  readonly agencies: Agencies
  readonly lanes: readonly Lane[]
  readonly faults: readonly FaultPlan[]
  readonly providers: ReadonlyMap<Provider, OpenProvider>
  readonly apiUrls: ApiUrls
  readonly #scheduler: Sql
  readonly #clients: readonly Sql[]

  private constructor(
    sql: postgres.Sql,
    scheduler: Sql,
    agencies: Agencies,
    apiUrls: ApiUrls,
    parts: readonly LaneParts[],
  ) {
    this.sql = sql
    this.#scheduler = scheduler
    this.apiUrls = apiUrls
    this.agencies = agencies
    this.lanes = parts.map(({ lane }) => lane)
    this.faults = parts.map(({ faults }) => faults)
    this.providers = new Map(parts.map(({ lane, open }) => [lane.provider, open]))
    this.#clients = [scheduler, ...parts.map(({ client }) => client)]
  }

  static async open(
    database: EmbeddedPostgres,
    { seed, now, retentionDays }: { readonly seed: number; readonly now: number; readonly retentionDays: number },
  ): Promise<GoldenStand> {
    const sql = postgres(database.superuserUrl, { max: 2, onnotice: () => {} })
    const clientOf = (role: 'flarewatch_connector' | 'flarewatch_scheduler') =>
      connect({ connectionString: database.urlFor(role) } as Hyperdrive)
    const agencies = new Agencies(sql)
    const opened = await Promise.all(
      Provider.options.map(async (provider, index) => {
        const clock = { now }
        const options = { seed, log: () => {}, now: () => clock.now }
        const open = await PROVIDER_BOOKS[provider](options, retentionDays)
        return { provider, clock, open, random: randomFrom(seed * 31 + index) }
      }),
    )
    const urls = opened.map(({ provider, open }) => [PROVIDERS[provider].apiUrlVariable, open.simulator.apiUrl])
    const apiUrls: ApiUrls = Object.fromEntries(urls)
    const lanes = opened.map(({ provider, clock, open, random }) => {
      const client = clientOf('flarewatch_connector')
      const faults = new FaultPlan(random, open.simulator.controlUrl)
      const parts = { vault: agencies.vault, apiUrls, budgetFile: () => ':memory:' }
      const lane = new Lane(provider, { ...parts, clock, sql: client, faults })
      return { lane, open, client, faults }
    })
    return new GoldenStand(sql, clientOf('flarewatch_scheduler'), agencies, apiUrls, lanes)
  }

  /** As the verifier does each night, for the whole time that is simulated. */
  async openMonths(from: number, to: number): Promise<void> {
    for (let at = from; at < to + MONTH_STEP_MS; at += MONTH_STEP_MS) {
      await this.sql`select flarewatch.open_month(${new Date(at)}::date)`
    }
  }

  /** An agency of its own with every account of every provider, or with the first ones alone. */
  async foundAgency(at: number, accountsEach = Number.POSITIVE_INFINITY): Promise<void> {
    const tenant = await this.agencies.found()
    for (const [provider, { accounts }] of this.providers) {
      for (const account of accounts.slice(0, accountsEach)) await this.agencies.connect(tenant, provider, account, at)
    }
  }

  /** The minute's tick: what is due is claimed, goes through the queue and is polled, each provider on its own clock from here. */
  async tick(at: number, send?: SendDue): Promise<number> {
    const claimed = await this.claim(at, send)
    await Promise.all(this.lanes.map((lane) => lane.consume(this.of(lane.provider, claimed))))
    return claimed.length
  }

  /** What the scheduler sends for this minute. */
  async claim(at: number, send: SendDue = this.#fanOut): Promise<readonly IngestMessage[]> {
    const claimed: IngestMessage[] = []
    const queue = {
      sendBatch: async (batch: Iterable<MessageSendRequest<IngestMessage>>) => {
        for (const { body } of batch) claimed.push(body)
        return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } }
      },
    }
    await send(queue, at)
    for (const { job_id, credential_id } of claimed) this.agencies.vault.leased(job_id, credential_id)
    for (const { clock } of this.lanes) clock.now = Math.max(clock.now, at)
    return claimed
  }

  readonly #fanOut: SendDue = (queue, at) => fanOut(this.#scheduler, queue, new Date(at))

  of(provider: Provider, messages: readonly IngestMessage[]): readonly IngestMessage[] {
    return messages.filter(({ credential_id }) => this.agencies.providers.get(credential_id) === provider)
  }

  /** Of sites' datasets: whose history is being read, and whose was given up as well. */
  async historiesOpen(): Promise<number> {
    const rows = await this.sql`select from flarewatch.backfills where state = 'open'`
    return rows.length
  }
  async historiesLeft(): Promise<number> {
    const rows = await this.sql`select from flarewatch.backfills where state <> 'done'`
    return rows.length
  }

  async connections(): Promise<Connection[]> {
    const rows = await this.sql<{ id: string; next_poll_at: Date; last_success_at: Date | null }[]>`
      select id, next_poll_at, last_success_at from flarewatch.credentials where state = 'active'`
    return rows.map(({ id, next_poll_at, last_success_at }) => ({
      credentialId: id,
      dueAt: next_poll_at.getTime(),
      lastSuccessAt: last_success_at?.getTime() ?? null,
    }))
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#clients, this.sql].map((client) => client.end()))
    await Promise.all([...this.providers.values()].map(({ simulator }) => simulator.stop()))
  }
}
