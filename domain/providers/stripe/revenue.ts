import type { MetricName } from '../../metrics/definitions.ts'
import { BALANCE_NAMES, type BalanceMetric, balanceMetricOf } from './categories.ts'
import type { BalanceTransaction } from './schemas.ts'

export const REVENUE_METRICS = [
  'gross_revenue',
  'refunds',
  'disputes',
  'fees',
  'net_revenue',
  'payouts',
] as const satisfies readonly MetricName[]
type RevenueMetric = (typeof REVENUE_METRICS)[number]
/** With what each reporting category did to the balance, fees taken off: of those that were met alone. */
export type Revenue = { readonly [Name in RevenueMetric]: number } & { readonly [Name in BalanceMetric]?: number }

export const NO_REVENUE: Revenue = {
  gross_revenue: 0,
  refunds: 0,
  disputes: 0,
  fees: 0,
  net_revenue: 0,
  payouts: 0,
}

/**
 * Where a reporting category's amount goes, and with which sign: what went out is told as a positive number. A category that is not
 * here, such as an adjustment or a reserve, counts for the net alone.
 */
const COLUMNS: Readonly<Record<string, readonly [RevenueMetric, 1 | -1]>> = {
  charge: ['gross_revenue', 1],
  charge_failure: ['gross_revenue', 1],
  refund: ['refunds', -1],
  refund_failure: ['refunds', -1],
  partial_capture_reversal: ['refunds', -1],
  dispute: ['disputes', -1],
  dispute_reversal: ['disputes', -1],
  fee: ['fees', -1],
  payout: ['payouts', -1],
  payout_reversal: ['payouts', -1],
}
/** Money between the account and its owner's bank, or set aside between the two, is neither earned nor lost. */
const OWN_MONEY: ReadonlySet<string> = new Set([
  'payout',
  'payout_reversal',
  'topup',
  'topup_reversal',
  'payout_minimum_balance_hold',
  'payout_minimum_balance_release',
])

/** One more transaction of the same day and currency. */
export function addTransaction(revenue: Revenue, transaction: BalanceTransaction): Revenue {
  const { reporting_category, amount, fee, net } = transaction
  const category = balanceMetricOf(reporting_category)
  const sum: Record<RevenueMetric, number> & Partial<Record<BalanceMetric, number>> = { ...revenue }
  const [column, sign] = COLUMNS[reporting_category] ?? []
  if (column !== undefined && sign !== undefined) sum[column] += sign * amount
  sum.fees += fee
  sum.net_revenue += OWN_MONEY.has(reporting_category) ? -fee : net
  sum[category] = (sum[category] ?? 0) + net
  return sum
}

/** Columns first, then the categories that were met. */
export function metricsOfRevenue(revenue: Revenue): (RevenueMetric | BalanceMetric)[] {
  return [...REVENUE_METRICS, ...BALANCE_NAMES.filter((name) => revenue[name] !== undefined)]
}

/** Stripe counts these in hundredths, though their smallest unit is the whole (docs.stripe.com/currencies, special cases). */
export const IN_HUNDREDTHS: ReadonlySet<string> = new Set(['ISK', 'UGX'])

/** From Stripe's count to the currency's smallest unit in ISO 4217. */
export function inMinorUnits(value: number, currency: string): number {
  return IN_HUNDREDTHS.has(currency) ? Math.round(value / 100) : value
}
