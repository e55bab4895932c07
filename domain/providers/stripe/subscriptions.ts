import { z } from 'zod'
import { IN_HUNDREDTHS } from './revenue.ts'
import { MAX_PAGE_ROWS } from './schemas.ts'

const seconds = z.int().min(0).max(253_402_300_799)
const count = z.int().min(1).max(1_000_000_000)
/** A plain decimal number, of which Stripe gives up to twelve places. */
const decimal = z.string().regex(/^\d{1,15}(\.\d{1,12})?$/)

const Price = z.object({
  /** In Stripe's count of the currency; null for a price in tiers. */
  unit_amount_decimal: decimal.nullable(),
  recurring: z
    .object({
      interval: z.enum(['day', 'week', 'month', 'year']),
      interval_count: count,
      usage_type: z.string().max(32),
    })
    .nullable(),
  transform_quantity: z.object({ divide_by: count, round: z.enum(['up', 'down']) }).nullish(),
})
const Item = z.object({ price: Price, quantity: z.int().min(0).max(1_000_000_000).optional() })
const Coupon = z.object({
  duration: z.string().max(32),
  percent_off: z.number().min(0).max(100).nullable(),
  amount_off: z.int().min(0).nullable(),
})
const Discount = z.object({ source: z.object({ coupon: Coupon.nullable() }) })

/** What is read of a subscription: never its customer, its payment method or its metadata. Unknown members are ignored. */
export const Subscription = z.object({
  id: z.string().regex(/^sub_[A-Za-z0-9_]{1,64}$/),
  status: z.string().max(32),
  currency: z.string().regex(/^[a-z]{3}$/),
  created: seconds,
  ended_at: seconds.nullable(),
  trial_end: seconds.nullable(),
  discounts: z.array(Discount).max(100),
  items: z.object({ data: z.array(Item).max(MAX_PAGE_ROWS), has_more: z.boolean() }),
})
export type Subscription = z.infer<typeof Subscription>

/** What a list has to expand: else a discount is an id, and its coupon another. */
export const SUBSCRIPTION_EXPANSION = 'data.discounts.source.coupon'
/** `GET /v1/subscriptions`: the newest first. */
export const Subscriptions = z.object({
  object: z.literal('list'),
  data: z.array(Subscription).max(MAX_PAGE_ROWS),
  has_more: z.boolean(),
})

/** Exact: a year's price has no twelfth in whole cents. */
type Fraction = { readonly over: bigint; readonly under: bigint }

function plus(a: Fraction, b: Fraction): Fraction {
  return { over: a.over * b.under + b.over * a.under, under: a.under * b.under }
}
function times(a: Fraction, b: Fraction): Fraction {
  return { over: a.over * b.over, under: a.under * b.under }
}
/** To the nearest, a half upwards. */
function rounded({ over, under }: Fraction): number {
  return Number((2n * over + under) / (2n * under))
}

const PLACES = 12
function fractionOf(text: string): Fraction {
  const [whole = '0', places = ''] = text.split('.')
  return { over: BigInt(whole + places.padEnd(PLACES, '0')), under: 10n ** BigInt(PLACES) }
}

/** How many of an interval a month has. A year has twelve months and 365 days: Stripe's own rule for weeks is not published. */
const PER_MONTH = {
  day: { over: 365n, under: 12n },
  week: { over: 365n, under: 84n },
  month: { over: 1n, under: 1n },
  year: { over: 1n, under: 12n },
} as const satisfies Record<string, Fraction>

function perMonth({ interval, interval_count }: NonNullable<z.infer<typeof Price>['recurring']>): Fraction {
  return times(PER_MONTH[interval], { over: 1n, under: BigInt(interval_count) })
}

function chargedFor({ price, quantity = 1 }: z.infer<typeof Item>): bigint {
  const { divide_by, round } = price.transform_quantity ?? { divide_by: 1, round: 'up' }
  return BigInt(round === 'up' ? Math.ceil(quantity / divide_by) : Math.floor(quantity / divide_by))
}

/**
 * What a subscription is worth a month, in the currency's smallest unit, by Stripe's definition of MRR: without taxes and without what
 * is metered; with a coupon that lasts forever taken off, and no other. Rounded once, at the end. Null where the list does not say:
 * a price in tiers, or more items than it shows.
 */
export function monthlyValue({ currency, items, discounts }: Subscription): number | null {
  let sum: Fraction = { over: 0n, under: IN_HUNDREDTHS.has(currency.toUpperCase()) ? 100n : 1n }
  const unit = sum.under
  let rate: Fraction | undefined
  if (items.has_more) return null
  for (const item of items.data) {
    const { recurring, unit_amount_decimal } = item.price
    if (recurring === null || recurring.usage_type === 'metered') continue
    if (unit_amount_decimal === null) return null
    const own = perMonth(recurring)
    rate ??= own
    const amount = times(fractionOf(unit_amount_decimal), { over: chargedFor(item), under: unit })
    sum = plus(sum, times(amount, own))
  }
  for (const { source } of discounts) sum = less(sum, source.coupon, { rate, unit })
  return rounded(sum)
}

type Terms = { readonly rate: Fraction | undefined; readonly unit: bigint }

/** An amount is taken off each invoice, and so as often as the first item is charged. */
function less(sum: Fraction, coupon: z.infer<typeof Coupon> | null, { rate, unit }: Terms): Fraction {
  if (coupon?.duration !== 'forever') return sum
  if (coupon.percent_off !== null) {
    const off = fractionOf(coupon.percent_off.toFixed(4))
    return times(sum, { over: 100n * off.under - off.over, under: 100n * off.under })
  }
  if (coupon.amount_off === null || rate === undefined) return sum
  const left = plus(sum, times({ over: BigInt(-coupon.amount_off), under: unit }, rate))
  return left.over < 0n ? { over: 0n, under: 1n } : left
}

/** Of these, Stripe counts the MRR. */
const COUNTED: ReadonlySet<string> = new Set(['active', 'past_due'])
/** Never paid for: the first payment did not come, or the trial has not ended, or ended without a way to pay. */
const NOT_BEGUN: ReadonlySet<string> = new Set(['incomplete', 'incomplete_expired', 'trialing', 'paused'])

export function isCounted({ status }: Subscription): boolean {
  return COUNTED.has(status)
}

/** Unix seconds between which it was paid for, as far as its own dates tell. Null for one that never was. */
export function paidSpan({ status, created, trial_end, ended_at }: Subscription): {
  readonly from: number
  /** Null while it lasts, and for one that went unpaid: when that was is told nowhere. */
  readonly to: number | null
} | null {
  const from = Math.max(created, trial_end ?? 0)
  if (NOT_BEGUN.has(status) || (ended_at !== null && ended_at <= from)) return null
  return { from, to: ended_at }
}
