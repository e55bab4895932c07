import type { ProviderLimitsApi } from '../../domain/contracts/durable-objects.ts'
import type { Provider } from '../../domain/contracts/providers.ts'
import type { IngestMessage } from '../../domain/contracts/queues.ts'
import type { ApiUrls } from '../../domain/providers/registry.ts'
import { consumeDeadLetters } from '../../workers/connector/dead-letter.queue.ts'
import { consumeIngest, type QueueMessage } from '../../workers/connector/ingest.queue.ts'
import { JobStore } from '../../workers/connector/job-store.ts'
import type { PollParts } from '../../workers/connector/poll.ts'
import type { Sql } from '../../workers/runtime/database.ts'
import type { ProviderSimulator } from '../simulators/provider-simulator.ts'
import type { Agencies } from './agency.ts'
import { newBudget } from './budget.ts'
import { FaultPlan } from './faults.ts'

/** `max_retries` of the queue in workers/connector/wrangler.toml. */
const MAX_RETRIES = 5

export type LaneClock = { now: number }
type LaneOptions = {
  readonly provider: Provider
  readonly simulator: ProviderSimulator
  readonly clock: LaneClock
  readonly sql: Sql
  readonly agencies: Agencies
  readonly apiUrls: ApiUrls
  readonly random: () => number
}

/**
 * One provider's jobs, one after the other, on a clock of its own that waits and retries move on. Lanes run beside each other,
 * and each gives the same run for the same seed.
 */
export class Lane {
  readonly provider: Provider
  readonly clock: LaneClock
  readonly faults: FaultPlan
  /** Calls that the provider refused for their number. */
  refusals = 0
  calls = 0
  readonly #store: JobStore
  readonly #parts: PollParts
  readonly #limits = new Map<string, ProviderLimitsApi>()

  constructor({ provider, simulator, clock, sql, agencies, apiUrls, random }: LaneOptions) {
    this.provider = provider
    this.clock = clock
    this.faults = new FaultPlan(random, simulator.controlUrl)
    this.#store = new JobStore(sql, async () => clock.now)
    this.#parts = {
      store: this.#store,
      vault: agencies.vault,
      limitsOf: (id) => this.#limitsOf(id),
      clock: async () => clock.now,
      fetch: (url, init) => this.#fetch(url, init),
      apiUrls,
      wait: async (ms) => {
        clock.now += ms
      },
    }
  }

  async consume(messages: readonly IngestMessage[]): Promise<void> {
    for (const message of messages) await this.#deliver(message)
  }

  async #deliver(body: IngestMessage): Promise<void> {
    for (let attempts = 1; attempts <= 1 + MAX_RETRIES; attempts += 1) {
      this.faults.beginTry()
      const delivery = deliveryOf(body, attempts)
      await consumeIngest(this.#parts, [delivery.message])
      const delaySeconds = delivery.retriedAfter()
      if (delaySeconds === undefined) return
      this.clock.now += delaySeconds * 1000
    }
    const letter = deliveryOf(body, 1)
    await consumeDeadLetters(this.#store, [letter.message])
    if (letter.retriedAfter() !== undefined) throw new Error(`a dead letter of ${this.provider} was not taken`)
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    this.calls += 1
    const response = await this.faults.fetch(url, init)
    if (response.status === 429) this.refusals += 1
    return response
  }

  #limitsOf(credentialId: string): ProviderLimitsApi {
    const limits = this.#limits.get(credentialId) ?? newBudget()
    this.#limits.set(credentialId, limits)
    return limits
  }
}

/** A message of the queue, and what its consumer did with it: `undefined` when it is done with. */
function deliveryOf(body: IngestMessage, attempts: number) {
  let retriedAfter: number | undefined
  const message: QueueMessage = {
    body,
    attempts,
    ack: () => {},
    retry: ({ delaySeconds }) => {
      retriedAfter = delaySeconds
    },
  }
  return { message, retriedAfter: () => retriedAfter }
}
