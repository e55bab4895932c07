import type { z } from 'zod'
import type * as api from '../contracts/api.ts'
import type { Provider } from '../contracts/providers.ts'

export type MetricName = z.infer<typeof api.MetricName>
export type Grain = z.infer<typeof api.Grain>
export type Unit = z.infer<typeof api.Unit>

/**
 * How points become one figure for a window. Unique visitors of two days overlap, so adding them would count people
 * twice: the honest single figure is the mean a day.
 */
export type Aggregation = 'sum' | 'mean' | 'last'

export type MetricDefinition = {
  readonly name: MetricName
  readonly label: string
  readonly provider: Provider
  readonly unit: Unit
  readonly aggregation: Aggregation
  /** The grains that the provider gives it in. A day that it does not give is made of the day's hours. */
  readonly grains: readonly Grain[]
  /** How long after its end an hour may be without its figure, where the provider gives none before it has settled: then a poll has to come too. */
  readonly hourDueMs?: number
}

const TRAFFIC = { provider: 'cloudflare', unit: 'count', aggregation: 'sum', grains: ['hour', 'day'] } as const
const ROLLED_UP = { ...TRAFFIC, hourDueMs: 30 * 60_000 } as const
const MAIL = { provider: 'resend', unit: 'count', aggregation: 'sum', grains: ['day'] } as const
const REVENUE = { provider: 'stripe', unit: 'minor', aggregation: 'sum', grains: ['day'] } as const
const SUBSCRIPTIONS = { provider: 'stripe', unit: 'count', aggregation: 'sum', grains: ['day'] } as const
const STATE = { provider: 'supabase', unit: 'count', aggregation: 'last', grains: ['hour'] } as const

export const METRICS: { readonly [Name in MetricName]: MetricDefinition & { readonly name: Name } } = {
  requests: { name: 'requests', label: 'Requests', ...TRAFFIC },
  visits: { name: 'visits', label: 'Visits', ...TRAFFIC, grains: ['hour'] },
  bytes: { name: 'bytes', label: 'Data served', ...TRAFFIC, unit: 'bytes' },
  cached_bytes: {
    name: 'cached_bytes',
    label: 'Data served from cache',
    ...ROLLED_UP,
    unit: 'bytes',
  },
  unique_visitors: {
    name: 'unique_visitors',
    label: 'Unique visitors a day',
    ...ROLLED_UP,
    aggregation: 'mean',
  },
  responses_1xx: { name: 'responses_1xx', label: 'Responses 1xx', ...ROLLED_UP },
  responses_2xx: { name: 'responses_2xx', label: 'Responses 2xx', ...ROLLED_UP },
  responses_3xx: { name: 'responses_3xx', label: 'Responses 3xx', ...ROLLED_UP },
  responses_4xx: { name: 'responses_4xx', label: 'Responses 4xx', ...ROLLED_UP },
  responses_5xx: { name: 'responses_5xx', label: 'Responses 5xx', ...ROLLED_UP },
  threats: { name: 'threats', label: 'Threats stopped', ...ROLLED_UP },
  emails_sent: { name: 'emails_sent', label: 'Emails sent', ...MAIL },
  emails_delivered: { name: 'emails_delivered', label: 'Emails delivered', ...MAIL },
  emails_delayed: { name: 'emails_delayed', label: 'Deliveries delayed', ...MAIL },
  emails_bounced: { name: 'emails_bounced', label: 'Emails bounced', ...MAIL },
  emails_complained: { name: 'emails_complained', label: 'Spam complaints', ...MAIL },
  emails_suppressed: { name: 'emails_suppressed', label: 'Emails suppressed', ...MAIL },
  spf_unverified: { name: 'spf_unverified', label: 'SPF records unverified', ...MAIL, aggregation: 'last' },
  dkim_unverified: { name: 'dkim_unverified', label: 'DKIM records unverified', ...MAIL, aggregation: 'last' },
  gross_revenue: { name: 'gross_revenue', label: 'Gross revenue', ...REVENUE },
  refunds: { name: 'refunds', label: 'Refunds', ...REVENUE },
  disputes: { name: 'disputes', label: 'Disputes', ...REVENUE },
  fees: { name: 'fees', label: 'Fees', ...REVENUE },
  net_revenue: { name: 'net_revenue', label: 'Net revenue', ...REVENUE },
  payouts: { name: 'payouts', label: 'Paid out', ...REVENUE },
  balance_charge: { name: 'balance_charge', label: 'Balance: charges', ...REVENUE },
  balance_charge_failure: { name: 'balance_charge_failure', label: 'Balance: failed charges', ...REVENUE },
  balance_refund: { name: 'balance_refund', label: 'Balance: refunds', ...REVENUE },
  balance_refund_failure: { name: 'balance_refund_failure', label: 'Balance: failed refunds', ...REVENUE },
  balance_partial_capture_reversal: {
    name: 'balance_partial_capture_reversal',
    label: 'Balance: partial captures',
    ...REVENUE,
  },
  balance_dispute: { name: 'balance_dispute', label: 'Balance: disputes', ...REVENUE },
  balance_dispute_reversal: { name: 'balance_dispute_reversal', label: 'Balance: disputes won', ...REVENUE },
  balance_fee: { name: 'balance_fee', label: 'Balance: fees apart', ...REVENUE },
  balance_tax: { name: 'balance_tax', label: 'Balance: taxes', ...REVENUE },
  balance_other_adjustment: { name: 'balance_other_adjustment', label: 'Balance: adjustments', ...REVENUE },
  balance_platform_earning: { name: 'balance_platform_earning', label: 'Balance: platform earnings', ...REVENUE },
  balance_platform_earning_refund: {
    name: 'balance_platform_earning_refund',
    label: 'Balance: platform earnings refunded',
    ...REVENUE,
  },
  balance_transfer: { name: 'balance_transfer', label: 'Balance: transfers', ...REVENUE },
  balance_transfer_reversal: { name: 'balance_transfer_reversal', label: 'Balance: transfers reversed', ...REVENUE },
  balance_topup: { name: 'balance_topup', label: 'Balance: top-ups', ...REVENUE },
  balance_topup_reversal: { name: 'balance_topup_reversal', label: 'Balance: top-ups reversed', ...REVENUE },
  balance_payout: { name: 'balance_payout', label: 'Balance: payouts', ...REVENUE },
  balance_payout_reversal: { name: 'balance_payout_reversal', label: 'Balance: payouts returned', ...REVENUE },
  balance_other: { name: 'balance_other', label: 'Balance: anything else', ...REVENUE },
  mrr: { name: 'mrr', label: 'MRR', ...REVENUE, aggregation: 'last' },
  active_subscriptions: {
    name: 'active_subscriptions',
    label: 'Active subscriptions',
    ...SUBSCRIPTIONS,
    aggregation: 'last',
  },
  new_subscriptions: { name: 'new_subscriptions', label: 'New subscriptions', ...SUBSCRIPTIONS },
  churned_subscriptions: { name: 'churned_subscriptions', label: 'Churned subscriptions', ...SUBSCRIPTIONS },
  unpriced_subscriptions: {
    name: 'unpriced_subscriptions',
    label: 'Subscriptions without a known price',
    ...SUBSCRIPTIONS,
    aggregation: 'last',
  },
  project_active: { name: 'project_active', label: 'Project active (1) or paused (0)', ...STATE },
  database_bytes: { name: 'database_bytes', label: 'Database size', ...STATE, unit: 'bytes' },
  database_connections: { name: 'database_connections', label: 'Connections in use', ...STATE },
  database_connection_limit: { name: 'database_connection_limit', label: 'Connection limit', ...STATE },
  slow_statements: { name: 'slow_statements', label: 'Statements over 1 s on average', ...STATE },
  function_errors: { name: 'function_errors', label: 'Function calls that failed', ...STATE, aggregation: 'sum' },
}

export function metricsOf(provider: Provider, grain: Grain): readonly MetricDefinition[] {
  return Object.values(METRICS).filter((metric) => metric.provider === provider && isKeptBy(grain, metric.name))
}

export function isKeptBy(grain: Grain, metric: MetricName): boolean {
  return METRICS[metric].grains.includes(grain) || (grain === 'day' && rollupOf(metric) !== null)
}

/** How a day is made of a metric's hours; null where the provider gives the days itself. */
export function rollupOf(metric: MetricName): Aggregation | null {
  const { grains, aggregation } = METRICS[metric]
  return grains.includes('day') ? null : aggregation
}

/** The one figure for a window's points; 0 for none. */
export function aggregate(metric: MetricName, values: readonly number[]): number {
  return fold(METRICS[metric].aggregation, values)
}

/** `flarewatch.roll_up` folds alike: both are held against aggregation.fixture.ts. */
export function fold(aggregation: Aggregation, values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  switch (aggregation) {
    case 'sum':
      return sum
    case 'last':
      return values.at(-1) ?? 0
    case 'mean':
      return values.length === 0 ? 0 : Math.round(sum / values.length)
  }
}
