import { describe, expect, it } from 'vitest'
import { monthlyValue, paidSpan, Subscription } from './subscriptions.ts'

type Price = { amount: string | null; interval?: string; every?: number; usage?: string; by?: number; round?: string }

function subscriptionOf(prices: readonly (Price & { quantity?: number })[], more: Record<string, unknown> = {}) {
  return Subscription.parse({
    id: 'sub_1',
    status: 'active',
    currency: 'eur',
    created: 1000,
    ended_at: null,
    trial_end: null,
    discounts: [],
    items: {
      has_more: false,
      data: prices.map(({ amount, interval = 'month', every = 1, usage = 'licensed', by, round = 'up', quantity }) => ({
        price: {
          unit_amount_decimal: amount,
          recurring: { interval, interval_count: every, usage_type: usage },
          transform_quantity: by === undefined ? null : { divide_by: by, round },
        },
        ...(quantity === undefined ? {} : { quantity }),
      })),
    },
    ...more,
  })
}
const coupon = (duration: string, percent_off: number | null, amount_off: number | null = null) => ({
  discounts: [{ source: { coupon: { duration, percent_off, amount_off } } }],
})

describe('what a subscription is worth a month', () => {
  it.each([
    ['a month', [{ amount: '1000' }], 1000],
    ['a year, a half upwards', [{ amount: '1002', interval: 'year' }], 84],
    ['a quarter', [{ amount: '1000', every: 3 }], 333],
    ['two years for three', [{ amount: '2400', interval: 'year', every: 2, quantity: 3 }], 300],
    ['a week, of which a year has 365 sevenths', [{ amount: '700', interval: 'week' }], 3042],
    ['a day', [{ amount: '100', interval: 'day' }], 3042],
    ['less than the smallest unit, each of many', [{ amount: '0.25', quantity: 4001 }], 1000],
    ['packs of ten, begun ones counted', [{ amount: '500', by: 10, quantity: 21 }], 1500],
    ['packs of ten, begun ones given', [{ amount: '500', by: 10, round: 'down', quantity: 29 }], 1000],
    ['rounded once: three thirds are a whole', Array(3).fill({ amount: '100', every: 3 }), 100],
    ['what is metered is none of it', [{ amount: '1000' }, { amount: '7', usage: 'metered' }], 1000],
    ['tiers are not told by a list', [{ amount: '1000' }, { amount: null }], null],
  ] as const)('%s', (_, prices, value) => expect(monthlyValue(subscriptionOf(prices))).toBe(value))

  it.each([
    ['for ever, a share', coupon('forever', 12.5), 875],
    ['for ever, an amount of each invoice', coupon('forever', null, 300), 700],
    ['for ever, more than there is', coupon('forever', null, 5000), 0],
    ['for a time', coupon('repeating', 50), 1000],
    ['once', coupon('once', null, 300), 1000],
  ])('with a coupon %s', (_, more, value) =>
    expect(monthlyValue(subscriptionOf([{ amount: '1000' }], more))).toBe(value),
  )

  it('is in whole krónur, which Stripe counts in hundredths', () => {
    expect(monthlyValue(subscriptionOf([{ amount: '123400', interval: 'year' }], { currency: 'isk' }))).toBe(103)
  })

  it('is not known of more items than the list shows', () => {
    expect(monthlyValue(subscriptionOf([], { items: { has_more: true, data: [] } }))).toBeNull()
  })
})

describe('when a subscription was paid for', () => {
  const price = [{ amount: '1000' }]
  it.each([
    [{}, { from: 1000, to: null }],
    [{ trial_end: 2000 }, { from: 2000, to: null }],
    [
      { status: 'canceled', ended_at: 9000 },
      { from: 1000, to: 9000 },
    ],
    [{ status: 'canceled', trial_end: 2000, ended_at: 1500 }, null],
    [{ status: 'trialing', trial_end: 2000 }, null],
    [{ status: 'incomplete_expired', ended_at: 1500 }, null],
    [{ status: 'unpaid' }, { from: 1000, to: null }],
  ])('%j: %j', (more, span) => expect(paidSpan(subscriptionOf(price, more))).toEqual(span))
})
