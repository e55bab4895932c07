import type { Fault } from '../faults.ts'
import type { Answer } from '../loopback-server.ts'
import type { WebhookSender } from '../webhooks/sender.ts'
import { lacksPermission, missing, refused } from './answers.ts'
import { listEvents } from './events.ts'
import type { Grant } from './keys.ts'
import { listSubscriptions } from './subscription-list.ts'
import type { Transaction, World, WorldAccount } from './world.ts'

export const API_VERSION = '2026-07-29.dahlia'
const DEFAULT_LIMIT = 10
const MAX_LIMIT = 100

export type ApiCall = {
  readonly method: string
  readonly url: URL
  readonly key: string
  readonly grant: Grant
  readonly world: World
  readonly now: number
  readonly webhooks: WebhookSender
  /** What bends a good list. */
  readonly fault: Fault['kind'] | undefined
}

/** What may be updated by its id, the permission that it takes, and what Stripe calls one. */
const UPDATES: Readonly<Record<string, readonly [permission: string, object: string]>> = {
  charges: ['charge_write', 'charge'],
  customers: ['customer_write', 'customer'],
  disputes: ['dispute_write', 'dispute'],
  payment_intents: ['payment_intent_write', 'payment_intent'],
  payment_methods: ['payment_method_write', 'PaymentMethod'],
  payouts: ['payout_write', 'payout'],
  products: ['product_write', 'product'],
  refunds: ['refund_write', 'refund'],
  setup_intents: ['setup_intent_write', 'setupintent'],
  'checkout/sessions': ['checkout_session_write', 'checkout.session'],
  coupons: ['coupon_write', 'coupon'],
  credit_notes: ['credit_note_write', 'credit note'],
  invoices: ['invoice_write', 'invoice'],
  prices: ['plan_write', 'price'],
  promotion_codes: ['promotion_code_write', 'promotion code'],
  quotes: ['quote_write', 'quote'],
  subscriptions: ['subscription_write', 'subscription'],
  tax_rates: ['tax_rate_write', 'tax rate'],
  payment_links: ['payment_links_write', 'payment link'],
  topups: ['topup_write', 'topup'],
  transfers: ['transfer_write', 'transfer'],
  webhook_endpoints: ['webhook_write', 'webhook endpoint'],
}

export function answerApi(call: ApiCall): Answer {
  const { method, url, key, grant } = call
  const may = (permission: string) => grant.permissions.has(permission)
  const lacks = (permission: string) => lacksPermission(key, grant.account.id, permission)
  const route = `${method} ${url.pathname}`
  if (route === 'GET /v1/account') {
    return may('accounts_kyc_basic_read') ? showAccount(grant.account) : lacks('accounts_kyc_basic_read')
  }
  if (route === 'GET /v1/balance_transactions') {
    return may('balance_transaction_source_read') ? list(call) : lacks('balance_transaction_source_read')
  }
  if (route === 'GET /v1/subscriptions') return listSubscriptions(call)
  if (route === 'GET /v1/events') {
    const { url, world, now, webhooks: sender } = call
    return may('event_read') ? listEvents({ url, world, now, sender, account: grant.account }) : lacks('event_read')
  }
  const [, resource = '', id = ''] = /^POST \/v1\/(.+)\/([^/]+)$/.exec(route) ?? []
  const update = UPDATES[resource]
  if (update === undefined) return unknownRoute(method, url.pathname)
  const [permission, object] = update
  // Nothing of that kind is in the world: an update that is allowed finds nothing.
  return may(permission) ? missing(object, id) : lacks(permission)
}

function unknownRoute(method: string, path: string): Answer {
  const message = `Unrecognized request URL (${method}: ${path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.`
  return refused(404, { message })
}

function showAccount({ id, displayName, timeZone, currencies }: WorldAccount): Answer {
  const body = {
    id,
    object: 'account',
    business_profile: { name: displayName },
    country: 'DE',
    default_currency: currencies[0],
    settings: { dashboard: { display_name: displayName, timezone: timeZone } },
    type: 'standard',
  }
  return { status: 200, body }
}

type Filter = { readonly least: number; readonly below: number; readonly limit: number; readonly after: string | null }

function list({ url, grant, world, now, fault }: ApiCall): Answer {
  const filter = readFilter(url.searchParams)
  if ('status' in filter) return filter
  if (fault === 'empty_result') return page(url, [], false)
  const after = fault === 'repeated_page' ? null : filter.after
  const found: Transaction[] = []
  let isPast = after === null
  const startAt = Math.min(now, filter.below * 1000)
  for (const transaction of world.backwards(grant.account, grant.mode, startAt)) {
    if (transaction.created < filter.least || found.length > filter.limit) break
    const isSeen = transaction.visibleAt <= now && transaction.created < filter.below
    if (isPast && isSeen) found.push(transaction)
    if (transaction.id === after) isPast = true
  }
  if (!isPast) return missing('balance_transaction', after ?? '')
  return page(url, found.slice(0, filter.limit).map(show), found.length > filter.limit)
}

function page(url: URL, data: readonly unknown[], hasMore: boolean): Answer {
  return { status: 200, body: { object: 'list', data, has_more: hasMore, url: url.pathname } }
}

const KNOWN: ReadonlySet<string> = new Set([
  'limit',
  'starting_after',
  'created[gte]',
  'created[gt]',
  'created[lt]',
  'created[lte]',
])

function readFilter(query: URLSearchParams): Filter | Answer {
  const unknown = [...query.keys()].find((name) => !KNOWN.has(name))
  if (unknown !== undefined) {
    return refused(400, {
      code: 'parameter_unknown',
      message: `Received unknown parameter: ${unknown}`,
      param: unknown,
    })
  }
  const wrong = [...query].find(([name, value]) => name !== 'starting_after' && !/^\d{1,12}$/.test(value))
  if (wrong !== undefined) {
    return refused(400, { code: 'parameter_invalid_integer', message: `Invalid integer: ${wrong[1]}`, param: wrong[0] })
  }
  const number = (name: string, otherwise: number) => Number(query.get(name) ?? otherwise)
  const limit = number('limit', DEFAULT_LIMIT)
  if (limit < 1 || limit > MAX_LIMIT) {
    return refused(400, { code: 'parameter_invalid_integer', message: `Invalid limit: ${limit}`, param: 'limit' })
  }
  return {
    least: Math.max(number('created[gte]', 0), number('created[gt]', -1) + 1),
    below: Math.min(number('created[lt]', 1e12), number('created[lte]', 1e12) + 1),
    limit,
    after: query.get('starting_after'),
  }
}

function show({ id, amount, fee, currency, created, type, reportingCategory }: Transaction) {
  return {
    id,
    object: 'balance_transaction',
    amount,
    available_on: created + 2 * 86_400,
    created,
    currency,
    description: null,
    exchange_rate: null,
    fee,
    fee_details:
      fee === 0
        ? []
        : [{ amount: fee, application: null, currency, description: 'Stripe processing fees', type: 'stripe_fee' }],
    net: amount - fee,
    reporting_category: reportingCategory,
    source: `${type === 'charge' ? 'ch' : 'src'}_${id.slice(4)}`,
    status: 'available',
    type,
  }
}
