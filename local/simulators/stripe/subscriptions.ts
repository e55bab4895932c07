import { createHash } from 'node:crypto'
import { HOUR_MS, type Mode, WORLD_BEGINS, type WorldAccount } from './accounts.ts'

const DAY_MS = 24 * HOUR_MS
const DAY_S = 86_400
/** From the first payment's failure on, as long as Stripe waits for another way to pay. */
const INCOMPLETE_S = 23 * 3600

type Interval = 'day' | 'week' | 'month' | 'year'
export type WorldPrice = {
  readonly interval: Interval
  readonly every: number
  /** In Stripe's count of the currency; null for a price in tiers. */
  readonly amount: number | null
  readonly metered: boolean
  readonly quantity: number
}
export type WorldCoupon = {
  readonly duration: 'forever' | 'repeating'
  readonly percentOff: number | null
  readonly amountOff: number | null
}
export type Fate =
  | 'stays'
  | 'ends'
  | 'ends_in_trial'
  | 'past_due_then_ends'
  | 'unpaid'
  | 'never_paid'
  | 'paid_late'
  | 'paused'

/** Its whole life; what is later than the clock has not happened yet. Times are Unix seconds. */
export type WorldSubscription = {
  readonly id: string
  readonly currency: string
  readonly created: number
  readonly trialEnd: number | null
  readonly fate: Fate
  /** When that comes; for one that stays, never. */
  readonly turns: number
  readonly prices: readonly WorldPrice[]
  readonly coupon: WorldCoupon | null
  /** What it is worth a month in the smallest unit of ISO 4217, by how its price was made; null where its price is in tiers. */
  readonly monthly: number | null
}
export type SubscriptionStatus =
  | 'active'
  | 'past_due'
  | 'unpaid'
  | 'canceled'
  | 'incomplete'
  | 'incomplete_expired'
  | 'trialing'
  | 'paused'

export function statusAt({ created, trialEnd, fate, turns }: WorldSubscription, now: number): SubscriptionStatus {
  if (fate === 'never_paid') return now < created + INCOMPLETE_S ? 'incomplete' : 'incomplete_expired'
  if (fate === 'paid_late' && now < turns) return 'incomplete'
  if (fate === 'ends_in_trial' && now >= turns) return 'canceled'
  if (trialEnd !== null && now < trialEnd) return 'trialing'
  if (fate === 'paused') return 'paused'
  if ((fate === 'ends' || fate === 'past_due_then_ends') && now >= turns) return 'canceled'
  if (fate === 'unpaid' && now >= turns) return 'unpaid'
  // What is not paid is tried again for two weeks.
  if ((fate === 'unpaid' || fate === 'past_due_then_ends') && now >= turns - 14 * DAY_S) return 'past_due'
  return 'active'
}

/** When it ended: an `ended_at` that is in the future is none yet. */
export function endOf(subscription: WorldSubscription, now: number): number | null {
  switch (statusAt(subscription, now)) {
    case 'canceled':
      return subscription.turns
    case 'incomplete_expired':
      return subscription.created + INCOMPLETE_S
    default:
      return null
  }
}

/** Every subscription is a pure function of seed, account, mode and day, as the transactions are. */
export class Subscriptions {
  readonly #seed: number
  readonly #days = new Map<string, readonly WorldSubscription[]>()

  constructor(seed: number) {
    this.#seed = seed
  }

  /** Newest first, of those that were created before `now` in Unix milliseconds. */
  *backwards(account: WorldAccount, mode: Mode, now: number): Generator<WorldSubscription> {
    for (let begin = Math.floor(now / DAY_MS) * DAY_MS; begin >= WORLD_BEGINS; begin -= DAY_MS) {
      for (const subscription of this.#day(account, mode, begin)) {
        if (subscription.created * 1000 <= now) yield subscription
      }
    }
  }

  #day(account: WorldAccount, mode: Mode, begin: number): readonly WorldSubscription[] {
    const key = `${this.#seed} subscriptions ${account.id} ${mode} ${begin}`
    const known = this.#days.get(key)
    if (known !== undefined) return known
    const byte = digest(key).readUInt8(0)
    const count = byte < 140 ? 0 : byte < 220 ? 1 : 2
    const made = Array.from({ length: count }, (_, index) => subscriptionOf(account, begin, digest(`${key} ${index}`)))
    made.sort((a, b) => b.created - a.created || (a.id < b.id ? 1 : -1))
    this.#days.set(key, made)
    return made
  }
}

const FATES: readonly { readonly upTo: number; readonly fate: Fate }[] = [
  { upTo: 140, fate: 'stays' },
  { upTo: 190, fate: 'ends' },
  { upTo: 203, fate: 'ends_in_trial' },
  { upTo: 218, fate: 'past_due_then_ends' },
  { upTo: 228, fate: 'unpaid' },
  { upTo: 238, fate: 'never_paid' },
  { upTo: 248, fate: 'paid_late' },
  { upTo: 256, fate: 'paused' },
]
const TRIAL_S = 14 * DAY_S

function subscriptionOf(account: WorldAccount, begin: number, random: Buffer): WorldSubscription {
  const created = begin / 1000 + (random.readUInt32BE(0) % DAY_S)
  const { fate = 'stays' } = FATES.find(({ upTo }) => random.readUInt8(4) < upTo) ?? {}
  const hasTrial = fate === 'ends_in_trial' || fate === 'paused' || (fate === 'ends' && random.readUInt8(5) < 128)
  const share = random.readUInt8(6)
  const currency = account.currencies[share < 150 ? 0 : share < 210 ? 1 : 2]
  return {
    id: `sub_1${created.toString(36)}${random.toString('hex').slice(40, 56)}`,
    currency,
    created,
    trialEnd: hasTrial ? created + TRIAL_S : null,
    fate,
    turns: created + turnOf(fate, random.readUInt16BE(8)),
    ...worthOf(currency, random),
  }
}

function turnOf(fate: Fate, random: number): number {
  switch (fate) {
    case 'ends_in_trial':
      return DAY_S + (random % (TRIAL_S - DAY_S))
    case 'paid_late':
      return 60 + (random % (INCOMPLETE_S - 60))
    default:
      // Some 20 to 300 days, at any second of one.
      return 20 * DAY_S + random * 370
  }
}

type Worth = Pick<WorldSubscription, 'prices' | 'coupon' | 'monthly'>

/**
 * Made from what it shall be worth a month: a year's price is twelve of it and what twelfths leave over, so that nothing here divides
 * as the connector has to.
 */
function worthOf(currency: string, random: Buffer): Worth {
  const step = currency === 'isk' ? 100 : 1
  const month = 500 + (random.readUInt16BE(10) % 9000)
  const over = (random.readUInt8(12) % 12) - 6
  const price = (interval: Interval, amount: number, more: Partial<WorldPrice> = {}): WorldPrice => ({
    interval,
    every: 1,
    amount: amount * step,
    metered: false,
    quantity: 1,
    ...more,
  })
  const monthly = price('month', month)
  const plain = (...prices: WorldPrice[]): Worth => ({ prices, coupon: null, monthly: month })
  const kinds: readonly (() => Worth)[] = [
    () => plain(monthly),
    () => plain(price('year', 12 * month + over)),
    () => plain(price('month', 3 * month + Math.sign(over), { every: 3 })),
    () => plain(price('year', 6 * month - 3, { quantity: 2 })),
    () => ({ ...plain(price('week', month)), monthly: Math.floor((month * 365 * 2 + 84) / 168) }),
    () => plain(price('month', month - 200), price('year', 2400 + over), price('month', 7, { metered: true })),
    () => ({ ...plain(price('month', 4 * month)), coupon: couponOf({ percentOff: 75 }) }),
    () => ({ ...plain(price('year', 12 * month + 1200)), coupon: couponOf({ amountOff: 1200 * step }) }),
    () => ({ ...plain(monthly), coupon: { ...couponOf({ percentOff: 50 }), duration: 'repeating' } }),
    () => ({ ...plain(price('month', 7, { metered: true })), monthly: 0 }),
    () => ({ ...plain(price('month', 0)), monthly: 0 }),
    () => ({ ...plain({ ...monthly, amount: null }), monthly: null }),
  ]
  const make = kinds[random.readUInt8(13) % kinds.length]
  if (make === undefined) throw new Error('a remainder is below its divisor')
  return make()
}

function couponOf(off: Partial<WorldCoupon>): WorldCoupon {
  return { duration: 'forever', percentOff: null, amountOff: null, ...off }
}

function digest(text: string): Buffer {
  return Buffer.concat([
    createHash('sha256').update(text).digest(),
    createHash('sha256').update(`${text} more`).digest(),
  ])
}
