import type { MetricName } from '../../metrics/definitions.ts'

/**
 * Stripe's reporting categories (docs.stripe.com/reports/reporting-categories) that a shop meets. What is none of them, or is new, is
 * booked as `balance_other`, so that the categories of a day add up to what its transactions did to the balance.
 */
export const BALANCE_METRICS = {
  charge: 'balance_charge',
  charge_failure: 'balance_charge_failure',
  refund: 'balance_refund',
  refund_failure: 'balance_refund_failure',
  partial_capture_reversal: 'balance_partial_capture_reversal',
  dispute: 'balance_dispute',
  dispute_reversal: 'balance_dispute_reversal',
  fee: 'balance_fee',
  tax: 'balance_tax',
  other_adjustment: 'balance_other_adjustment',
  platform_earning: 'balance_platform_earning',
  platform_earning_refund: 'balance_platform_earning_refund',
  transfer: 'balance_transfer',
  transfer_reversal: 'balance_transfer_reversal',
  topup: 'balance_topup',
  topup_reversal: 'balance_topup_reversal',
  payout: 'balance_payout',
  payout_reversal: 'balance_payout_reversal',
} as const satisfies Readonly<Record<string, MetricName>>
export type BalanceMetric = (typeof BALANCE_METRICS)[keyof typeof BALANCE_METRICS] | 'balance_other'

export const BALANCE_NAMES: readonly BalanceMetric[] = [...Object.values(BALANCE_METRICS), 'balance_other']

const KNOWN: ReadonlyMap<string, BalanceMetric> = new Map(Object.entries(BALANCE_METRICS))

export function balanceMetricOf(reportingCategory: string): BalanceMetric {
  return KNOWN.get(reportingCategory) ?? 'balance_other'
}
