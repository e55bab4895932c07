import { createHmac } from 'node:crypto'
import type { Answer } from '../loopback-server.ts'
import { type DeliveryManner, randomId, type WebhookSender, type WorldEvent } from '../webhooks/sender.ts'
import { missing, refused } from './answers.ts'
import { API_VERSION } from './api.ts'
import { HOUR_MS, type Transaction, type World, type WorldAccount } from './world.ts'

const DAY_MS = 24 * HOUR_MS
/** How long `GET /v1/events` goes back. */
const RETENTION_MS = 30 * DAY_MS
/** Transactions show up within the hour after they were made. */
const LONGEST_DELAY_MS = HOUR_MS
const MINUTE_MS = 60_000

/** "Up to three days with an exponential back off" is what Stripe publishes; the steps are the simulator's own. */
const RETRIES = [
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  ...Array.from({ length: 4 }, () => 12 * HOUR_MS),
]

type Told = { readonly type: string; readonly object: string; readonly prefix: string }
/** What is told of a movement of the balance; of fees nothing is. */
const TOLD: Readonly<Record<string, Told>> = {
  charge: { type: 'charge.succeeded', object: 'charge', prefix: 'ch' },
  refund: { type: 'refund.created', object: 'refund', prefix: 're' },
  refund_failure: { type: 'refund.failed', object: 'refund', prefix: 're' },
  dispute: { type: 'charge.dispute.created', object: 'dispute', prefix: 'dp' },
  dispute_reversal: { type: 'charge.dispute.funds_reinstated', object: 'dispute', prefix: 'dp' },
  payout: { type: 'payout.paid', object: 'payout', prefix: 'po' },
}

export function stripeManner(world: World): DeliveryManner {
  return {
    endpointId: () => randomId('we_1'),
    /** docs.stripe.com/webhooks, "Verify webhook signatures manually". */
    sign: (secret, { body }, at) => {
      const time = Math.floor(at / 1000)
      const mac = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
      return { 'stripe-signature': `t=${time},v1=${mac}` }
    },
    retries: RETRIES,
    eventsOf: (scope, from, to) => {
      const account = world.accounts.find(({ id }) => id === scope)
      return account === undefined ? [] : eventsOf(world, account, from, to)
    },
  }
}

/** With `from < at <= to`, oldest first. The event is made when its transaction shows up. */
export function eventsOf(world: World, account: WorldAccount, from: number, to: number): WorldEvent[] {
  const found: WorldEvent[] = []
  for (const transaction of world.backwards(account, 'live', to)) {
    if (transaction.created * 1000 < from - LONGEST_DELAY_MS) break
    const event = eventOf(transaction)
    if (event !== undefined && event.at > from && event.at <= to) found.push(event)
  }
  return found.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
}

function eventOf(transaction: Transaction): WorldEvent | undefined {
  const told = TOLD[transaction.reportingCategory]
  if (told === undefined) return undefined
  const id = `evt_1${transaction.id.slice(5)}`
  const at = Math.ceil(transaction.visibleAt / 1000) * 1000
  const { type } = told
  return { id, type, at, body: JSON.stringify(shown({ id, at, type }, objectOf(transaction, told), 1)) }
}

/** A version 2026-07-29 `event`, as fixtures3.json has it. */
function shown({ id, at, type }: Pick<WorldEvent, 'id' | 'at' | 'type'>, object: unknown, pending: number) {
  return {
    id,
    object: 'event',
    api_version: API_VERSION,
    created: at / 1000,
    data: { object },
    livemode: true,
    pending_webhooks: pending,
    request: { id: null, idempotency_key: null },
    type,
  }
}

function objectOf({ id, amount, currency, created }: Transaction, { object, prefix }: Told) {
  const named = { id: `${prefix}_${id.slice(4)}`, object, amount: Math.abs(amount), created, currency, livemode: true }
  switch (object) {
    case 'charge':
      return { ...named, balance_transaction: id, captured: true, paid: true, refunded: false, status: 'succeeded' }
    case 'dispute':
      return { ...named, balance_transactions: [{ id, object: 'balance_transaction' }], charge: `ch_${id.slice(4)}` }
    default:
      return { ...named, balance_transaction: id, status: 'succeeded' }
  }
}

const MAX_LIMIT = 100
const DEFAULT_LIMIT = 10
const NUMBERS: ReadonlySet<string> = new Set(['limit', 'created[gte]', 'created[gt]', 'created[lt]', 'created[lte]'])
const TEXTS: ReadonlySet<string> = new Set(['starting_after', 'ending_before', 'type', 'types[]', 'delivery_success'])

type EventsCall = {
  readonly url: URL
  readonly world: World
  readonly account: WorldAccount
  readonly sender: WebhookSender
  readonly now: number
}

/** `GET /v1/events`: the newest first, thirty days back. */
export function listEvents({ url, world, account, sender, now }: EventsCall): Answer {
  const query = url.searchParams
  const wrong = wrongParameter(query)
  if (wrong !== undefined) return wrong
  const limit = Number(query.get('limit') ?? DEFAULT_LIMIT)
  const types = [...query.getAll('type'), ...query.getAll('types[]')]
  const wanted = query.get('delivery_success')
  const matching = eventsOf(world, account, now - RETENTION_MS, now)
    .reverse()
    .filter((event) => isWithin(event.at / 1000, query) && (types.length === 0 || types.includes(event.type)))
    .filter((event) => wanted === null || (wanted === 'true') === (sender.undelivered(event.id) === 0))
  const [after, before] = [query.get('starting_after'), query.get('ending_before')]
  const cursor = after ?? before
  const place = matching.findIndex(({ id }) => id === cursor)
  if (cursor !== null && place === -1) return missing('event', cursor)
  const rest = after !== null ? matching.slice(place + 1) : before !== null ? matching.slice(0, place) : matching
  const page = before !== null ? rest.slice(-limit) : rest.slice(0, limit)
  const data = page.map((event) => ({ ...JSON.parse(event.body), pending_webhooks: sender.undelivered(event.id) }))
  return { status: 200, body: { object: 'list', data, has_more: rest.length > limit, url: '/v1/events' } }
}

function isWithin(created: number, query: URLSearchParams): boolean {
  const number = (name: string, otherwise: number) => Number(query.get(name) ?? otherwise)
  return (
    created >= number('created[gte]', 0) &&
    created > number('created[gt]', -1) &&
    created < number('created[lt]', 1e12) &&
    created <= number('created[lte]', 1e12)
  )
}

function wrongParameter(query: URLSearchParams): Answer | undefined {
  for (const [param, value] of query) {
    if (!NUMBERS.has(param) && !TEXTS.has(param)) {
      return refused(400, { code: 'parameter_unknown', message: `Received unknown parameter: ${param}`, param })
    }
    const isLimit = param === 'limit' && (Number(value) < 1 || Number(value) > MAX_LIMIT)
    if (NUMBERS.has(param) && (isLimit || !/^\d{1,12}$/.test(value))) {
      return refused(400, { code: 'parameter_invalid_integer', message: `Invalid integer: ${value}`, param })
    }
    if (param === 'delivery_success' && value !== 'true' && value !== 'false') {
      return refused(400, { message: `Invalid boolean: ${value}`, param })
    }
  }
  if (query.has('type') && query.has('types[]')) {
    return refused(400, { message: 'You may only specify one of these parameters: type, types.', param: 'types' })
  }
  return undefined
}
