import type { ProviderLimitsApi } from '../../domain/contracts/durable-objects.ts'
import type { Provider } from '../../domain/contracts/providers.ts'
import type { IngestMessage } from '../../domain/contracts/queues.ts'
import type { ApiUrls } from '../../domain/providers/registry.ts'
import { consumeDeadLetters } from '../../workers/connector/dead-letter.queue.ts'
import { GapStore } from '../../workers/connector/gap-store.ts'
import { consumeIngest, type QueueMessage } from '../../workers/connector/ingest.queue.ts'
import { JobStore } from '../../workers/connector/job-store.ts'
import type { PollParts } from '../../workers/connector/poll.ts'
import type { Sql } from '../../workers/runtime/database.ts'
import { openBudget } from './budget.ts'
import type { CallFaults } from './faults.ts'

/** `max_retries` of the queue in workers/connector/wrangler.toml. */
const MAX_RETRIES = 5

export type LaneClock = { now: number }
export type LaneOptions = {
  readonly clock: LaneClock
  readonly sql: Sql
  readonly vault: PollParts['vault']
  readonly apiUrls: ApiUrls
  readonly faults: CallFaults
  /** Where a credential's bucket is kept. */
  readonly budgetFile: (credentialId: string) => string
  /** Told of each wait, which takes no time but on the clock. */
  readonly waited?: (ms: number) => Promise<void>
}

/**
 * One provider's jobs, one after the other, on a clock of its own that waits and retries move on. Lanes run beside each other,
 * and each gives the same run for the same seed.
 */
export class Lane {
  readonly provider: Provider
  readonly clock: LaneClock
  readonly #options: LaneOptions
  /** Calls that the provider refused for their number. */
  refusals = 0
  calls = 0
  readonly #store: JobStore
  readonly #parts: PollParts
  readonly #limits = new Map<string, ProviderLimitsApi>()

  constructor(provider: Provider, options: LaneOptions) {
    const { clock, sql, vault, apiUrls } = options
    this.provider = provider
    this.clock = clock
    this.#options = options
    this.#store = new JobStore(sql, async () => clock.now)
    this.#parts = {
      store: this.#store,
      gaps: new GapStore(sql, async () => clock.now),
      vault,
      limitsOf: (id) => this.#limitsOf(id),
      clock: async () => clock.now,
      fetch: (url, init) => this.#fetch(url, init),
      apiUrls,
      wait: (ms) => this.#pass(ms),
    }
  }

  async consume(messages: readonly IngestMessage[]): Promise<void> {
    for (const message of messages) await this.#deliver(message)
  }

  async #deliver(body: IngestMessage): Promise<void> {
    for (let attempts = 1; attempts <= 1 + MAX_RETRIES; attempts += 1) {
      this.#options.faults.beginTry()
      const delivery = deliveryOf(body, attempts)
      await consumeIngest(this.#parts, [delivery.message])
      const delaySeconds = delivery.retriedAfter()
      if (delaySeconds === undefined) return
      await this.#pass(delaySeconds * 1000)
    }
    const letter = deliveryOf(body, 1)
    await consumeDeadLetters(this.#store, [letter.message])
    if (letter.retriedAfter() !== undefined) throw new Error(`a dead letter of ${this.provider} was not taken`)
  }

  async #pass(ms: number): Promise<void> {
    this.clock.now += ms
    await this.#options.waited?.(ms)
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    this.calls += 1
    const response = await this.#options.faults.fetch(url, init)
    if (response.status === 429) this.refusals += 1
    return response
  }

  #limitsOf(credentialId: string): ProviderLimitsApi {
    const limits = this.#limits.get(credentialId) ?? openBudget(this.#options.budgetFile(credentialId))
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
