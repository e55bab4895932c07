import type { Answer } from '../loopback-server.ts'
import { lacksPermission, missing, refused } from './answers.ts'
import type { ApiCall } from './api.ts'
import { endOf, type SubscriptionStatus, statusAt, type WorldPrice, type WorldSubscription } from './subscriptions.ts'

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 100
/** Levels of one expansion, `data` being the first. */
const MAX_DEPTH = 4
const KNOWN: ReadonlySet<string> = new Set(['limit', 'starting_after', 'status', 'expand[]'])
const STATUSES: ReadonlySet<string> = new Set<SubscriptionStatus | 'all' | 'ended'>([
  'active',
  'all',
  'canceled',
  'ended',
  'incomplete',
  'incomplete_expired',
  'past_due',
  'paused',
  'trialing',
  'unpaid',
])
const EXPANDABLE = ['data.discounts', 'data.discounts.source.coupon']

/** `GET /v1/subscriptions`. What has ended is left out unless it is asked for. */
export function listSubscriptions(call: ApiCall): Answer {
  const { url, key, grant, world, now, fault } = call
  if (!grant.permissions.has('subscription_read')) return lacksPermission(key, grant.account.id, 'subscription_read')
  const query = url.searchParams
  const wrong = wrongIn(query)
  if (wrong !== undefined) return wrong
  const expanded = query.getAll('expand[]')
  const withCoupons = expanded.includes('data.discounts.source.coupon')
  // What is expanded takes its own permission.
  if (withCoupons && !grant.permissions.has('coupon_read')) return lacksPermission(key, grant.account.id, 'coupon_read')
  const [limit, after] = [Number(query.get('limit') ?? DEFAULT_LIMIT), query.get('starting_after')]
  const found: WorldSubscription[] = []
  let isPast = after === null || fault === 'repeated_page'
  for (const subscription of world.subscriptions.backwards(grant.account, grant.mode, now)) {
    if (found.length > limit) break
    if (isPast && isAsked(statusAt(subscription, now / 1000), query.get('status'))) found.push(subscription)
    if (subscription.id === after) isPast = true
  }
  if (!isPast) return missing('subscription', after ?? '')
  const rows = fault === 'empty_result' ? [] : found.slice(0, limit)
  const isCut = rows.length > 0 && found.length > limit
  const data = rows.map((row) => show(row, Math.floor(now / 1000), { withDiscounts: expanded.length > 0, withCoupons }))
  return { status: 200, body: { object: 'list', data, has_more: isCut, url: url.pathname } }
}

function wrongIn(query: URLSearchParams): Answer | undefined {
  const param = [...query.keys()].find((name) => !KNOWN.has(name))
  if (param !== undefined) {
    return refused(400, { code: 'parameter_unknown', message: `Received unknown parameter: ${param}`, param })
  }
  const limit = query.get('limit') ?? '1'
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_LIMIT) {
    return refused(400, { code: 'parameter_invalid_integer', message: `Invalid integer: ${limit}`, param: 'limit' })
  }
  const status = query.get('status')
  if (status !== null && !STATUSES.has(status)) {
    return refused(400, { message: `Invalid status: must be one of ${[...STATUSES].join(', ')}`, param: 'status' })
  }
  const expansion = query.getAll('expand[]').find((path) => !EXPANDABLE.includes(path))
  if (expansion === undefined) return undefined
  const isDeep = expansion.split('.').length > MAX_DEPTH
  const message = isDeep
    ? `You cannot expand more than ${MAX_DEPTH} levels of a property (${expansion}).`
    : `This property cannot be expanded (${expansion}).`
  return refused(400, { message })
}

function isAsked(status: SubscriptionStatus, asked: string | null): boolean {
  if (asked === null) return status !== 'canceled' && status !== 'incomplete_expired'
  if (asked === 'ended') return status === 'canceled' || status === 'incomplete_expired'
  return asked === 'all' || asked === status
}

type Shown = { readonly withDiscounts: boolean; readonly withCoupons: boolean }

/** Those members of the published object that any reader of revenue could want. */
function show(subscription: WorldSubscription, now: number, shown: Shown) {
  const { id, currency, created, trialEnd, prices } = subscription
  const endedAt = endOf(subscription, now)
  return {
    id,
    object: 'subscription',
    billing_cycle_anchor: trialEnd ?? created,
    billing_mode: { type: 'classic' },
    cancel_at: null,
    cancel_at_period_end: false,
    canceled_at: statusAt(subscription, now) === 'canceled' ? endedAt : null,
    cancellation_details: { comment: null, feedback: null, reason: null },
    collection_method: 'charge_automatically',
    created,
    currency,
    customer: `cus_${id.slice(-14)}`,
    description: null,
    discounts: discountsOf(subscription, shown),
    ended_at: endedAt,
    items: {
      object: 'list',
      data: prices.map((price, index) => showItem(subscription, price, index)),
      has_more: false,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    latest_invoice: null,
    livemode: true,
    metadata: {},
    pause_collection: null,
    schedule: null,
    start_date: created,
    status: statusAt(subscription, now),
    trial_end: trialEnd,
    trial_start: trialEnd === null ? null : created,
  }
}

function discountsOf({ id, coupon, created }: WorldSubscription, { withDiscounts, withCoupons }: Shown): unknown[] {
  if (coupon === null) return []
  const discount = `di_${id.slice(4)}`
  if (!withDiscounts) return [discount]
  const { duration, percentOff, amountOff } = coupon
  const couponId = `co_${id.slice(-8)}`
  const expanded = {
    id: couponId,
    object: 'coupon',
    amount_off: amountOff,
    duration,
    percent_off: percentOff,
    valid: true,
  }
  return [
    {
      id: discount,
      object: 'discount',
      end: duration === 'forever' ? null : created + 90 * 86_400,
      source: { coupon: withCoupons ? expanded : couponId, type: 'coupon' },
      start: created,
      subscription: id,
    },
  ]
}

function showItem({ id, currency, created }: WorldSubscription, price: WorldPrice, index: number) {
  const { interval, every, amount, metered, quantity } = price
  const tail = `${id.slice(4)}${index}`
  return {
    id: `si_${tail}`,
    object: 'subscription_item',
    created,
    discounts: [],
    metadata: {},
    price: {
      id: `price_${tail}`,
      object: 'price',
      active: true,
      billing_scheme: amount === null ? 'tiered' : 'per_unit',
      created,
      currency,
      livemode: true,
      metadata: {},
      product: `prod_${tail}`,
      recurring: {
        interval,
        interval_count: every,
        meter: metered ? `mtr_${tail}` : null,
        trial_period_days: null,
        usage_type: metered ? 'metered' : 'licensed',
      },
      tiers_mode: amount === null ? 'graduated' : null,
      transform_quantity: null,
      type: 'recurring',
      unit_amount: amount,
      unit_amount_decimal: amount === null ? null : String(amount),
    },
    ...(metered ? {} : { quantity }),
    subscription: id,
    tax_rates: [],
  }
}
