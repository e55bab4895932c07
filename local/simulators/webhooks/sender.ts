import { createHash, randomBytes } from 'node:crypto'
import { Courier } from './courier.ts'
import { type Mishap, type MishapShares, NO_MISHAPS } from './mishaps.ts'

/** One event of a world, as it is delivered. */
export type WorldEvent = {
  readonly id: string
  readonly type: string
  /** Unix milliseconds: from then on the provider knows of it. */
  readonly at: number
  readonly body: string
}
/** Whose events: an account of the world, or all that there is. */
export type Scope = string
export type WebhookEndpoint = {
  readonly id: string
  readonly url: string
  readonly secret: string
  readonly scope: Scope
  readonly createdAt: number
}
export type Attempt = {
  readonly at: number
  /** The answer's status; null where none came. */
  readonly status: number | null
}
export type DeliveryStatus = 'pending' | 'attempting' | 'success' | 'failed'
export type Delivery = {
  readonly endpoint: WebhookEndpoint
  readonly event: WorldEvent
  readonly mishaps: ReadonlySet<Mishap>
  readonly attempts: Attempt[]
  status: DeliveryStatus
  nextAt: number | null
}

/** How one provider delivers. */
export type DeliveryManner = {
  readonly endpointId: () => string
  readonly sign: (secret: string, event: WorldEvent, at: number) => Readonly<Record<string, string>>
  /** Waits between an attempt that failed and the next one, in milliseconds; after the last it is given up. */
  readonly retries: readonly number[]
  /** What a scope's world brings forth with `from < at <= to`, in order of time. */
  readonly eventsOf: (scope: Scope, from: number, to: number) => readonly WorldEvent[]
}
export type SenderParts = {
  readonly manner: DeliveryManner
  readonly now: () => number
  readonly log: (line: string) => void
}

const LOOK_EVERY_MS = 1000
/** As many as a month of either world brings, with room. */
const MAX_KEPT = 20_000

/** Delivers what happens in a world, as its clock moves, to each address that was registered; and keeps what came of it. */
export class WebhookSender {
  readonly deliveries: Delivery[] = []
  readonly endpoints: WebhookEndpoint[] = []
  shares: MishapShares = NO_MISHAPS
  readonly #parts: SenderParts
  readonly #courier: Courier
  readonly #told = new Map<string, number>()
  #running: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined

  constructor(parts: SenderParts) {
    this.#parts = parts
    this.#courier = new Courier(parts)
  }

  /** As a user does in the provider's dashboard. Only what happens from now on is delivered. */
  register({ url, secret, scope }: Pick<WebhookEndpoint, 'url' | 'secret' | 'scope'>): WebhookEndpoint {
    const { manner, now } = this.#parts
    const endpoint = { id: manner.endpointId(), url, secret, scope, createdAt: now() }
    this.endpoints.push(endpoint)
    this.#told.set(endpoint.id, endpoint.createdAt)
    this.#timer ??= setInterval(() => void this.deliverDue(), LOOK_EVERY_MS).unref()
    return endpoint
  }

  /** All that is due by the clock. One look after another: what is called while one is under way waits for it. */
  deliverDue(): Promise<void> {
    this.#running = this.#running
      .then(() => this.#deliver(this.#parts.now()))
      .catch((error: unknown) => this.#parts.log(`webhooks: ${error instanceof Error ? error.message : 'failed'}`))
    return this.#running
  }

  of(endpoint: WebhookEndpoint): readonly Delivery[] {
    return this.deliveries.filter((delivery) => delivery.endpoint === endpoint)
  }

  /** Addresses that have not taken the event, yet or at all. */
  undelivered(eventId: string): number {
    return this.deliveries.filter(({ event, status }) => event.id === eventId && status !== 'success').length
  }

  get forgeries(): readonly Attempt[] {
    return this.#courier.forgeries
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  async #deliver(now: number): Promise<void> {
    for (const endpoint of this.endpoints) this.#enqueue(endpoint, now)
    const due = this.deliveries.filter(({ nextAt }) => nextAt !== null && nextAt <= now)
    // Late by one look: whatever is due beside it goes first.
    const ordered = [
      ...due.filter((one) => !one.mishaps.has('reordered')),
      ...due.filter((one) => one.mishaps.has('reordered')),
    ]
    for (const delivery of ordered) await this.#courier.carry(delivery, now)
  }

  #enqueue(endpoint: WebhookEndpoint, now: number): void {
    const from = this.#told.get(endpoint.id) ?? endpoint.createdAt
    for (const event of this.#parts.manner.eventsOf(endpoint.scope, from, now)) {
      this.deliveries.push({
        endpoint,
        event,
        mishaps: this.#mishapsOf(event),
        attempts: [],
        status: 'pending',
        nextAt: event.at,
      })
    }
    this.#told.set(endpoint.id, Math.max(from, now))
    this.deliveries.splice(0, Math.max(0, this.deliveries.length - MAX_KEPT))
  }

  /** The same for the same event, whenever it is delivered. */
  #mishapsOf({ id }: WorldEvent): ReadonlySet<Mishap> {
    const bytes = createHash('sha256').update(`mishaps ${id}`).digest()
    const names = Object.keys(this.shares) as Mishap[]
    return new Set(names.filter((name, place) => bytes.readUInt32BE(place * 4) / 2 ** 32 < this.shares[name]))
  }
}

export function randomId(prefix: string): string {
  return prefix + randomBytes(12).toString('hex')
}
