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
  /** The grains that the provider gives it in. */
  readonly grains: readonly Grain[]
}

const TRAFFIC = { provider: 'cloudflare', unit: 'count', aggregation: 'sum', grains: ['hour', 'day'] } as const
const MAIL = { provider: 'resend', unit: 'count', aggregation: 'sum', grains: ['day'] } as const
const REVENUE = { provider: 'stripe', unit: 'minor', aggregation: 'sum', grains: ['day'] } as const
const STATE = { provider: 'supabase', unit: 'count', aggregation: 'last', grains: ['hour', 'day'] } as const

export const METRICS: { readonly [Name in MetricName]: MetricDefinition & { readonly name: Name } } = {
  requests: { name: 'requests', label: 'Requests', ...TRAFFIC },
  visits: { name: 'visits', label: 'Visits', ...TRAFFIC, grains: ['hour'] },
  bytes: { name: 'bytes', label: 'Data served', ...TRAFFIC, unit: 'bytes' },
  cached_bytes: {
    name: 'cached_bytes',
    label: 'Data served from cache',
    ...TRAFFIC,
    unit: 'bytes',
  },
  unique_visitors: {
    name: 'unique_visitors',
    label: 'Unique visitors a day',
    ...TRAFFIC,
    aggregation: 'mean',
  },
  responses_1xx: { name: 'responses_1xx', label: 'Responses 1xx', ...TRAFFIC },
  responses_2xx: { name: 'responses_2xx', label: 'Responses 2xx', ...TRAFFIC },
  responses_3xx: { name: 'responses_3xx', label: 'Responses 3xx', ...TRAFFIC },
  responses_4xx: { name: 'responses_4xx', label: 'Responses 4xx', ...TRAFFIC },
  responses_5xx: { name: 'responses_5xx', label: 'Responses 5xx', ...TRAFFIC },
  threats: { name: 'threats', label: 'Threats stopped', ...TRAFFIC },
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
  project_active: { name: 'project_active', label: 'Project active (1) or paused (0)', ...STATE },
  database_bytes: { name: 'database_bytes', label: 'Database size', ...STATE, unit: 'bytes' },
  database_connections: { name: 'database_connections', label: 'Connections in use', ...STATE },
  database_connection_limit: { name: 'database_connection_limit', label: 'Connection limit', ...STATE },
  slow_statements: { name: 'slow_statements', label: 'Statements over 1 s on average', ...STATE },
}

export function metricsOf(provider: Provider, grain: Grain): readonly MetricDefinition[] {
  return Object.values(METRICS).filter((metric) => metric.provider === provider && metric.grains.includes(grain))
}

/** The one figure for a window's points; 0 for none. */
export function aggregate(metric: MetricName, values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  switch (METRICS[metric].aggregation) {
    case 'sum':
      return sum
    case 'last':
      return values.at(-1) ?? 0
    case 'mean':
      return values.length === 0 ? 0 : Math.round(sum / values.length)
  }
}
