import type { Provider } from '../../domain/contracts/providers.ts'
import type { MetricName } from '../../domain/metrics/definitions.ts'

/** What a site's panel shows: one metric as a chart, some as figures. All others are in the API and the console. */
export type Panel = { readonly charted: MetricName; readonly figures: readonly MetricName[] }

export const PANELS: { readonly [Name in Provider]: Panel } = {
  cloudflare: { charted: 'requests', figures: ['requests', 'bytes', 'cached_bytes', 'unique_visitors', 'threats'] },
  stripe: {
    charted: 'net_revenue',
    figures: [
      'net_revenue',
      'gross_revenue',
      'refunds',
      'mrr',
      'active_subscriptions',
      'new_subscriptions',
      'churned_subscriptions',
      'unpriced_subscriptions',
    ],
  },
  resend: {
    charted: 'emails_sent',
    figures: [
      'emails_sent',
      'emails_delivered',
      'emails_bounced',
      'emails_complained',
      'spf_unverified',
      'dkim_unverified',
    ],
  },
  supabase: {
    charted: 'database_bytes',
    figures: [
      'project_active',
      'database_bytes',
      'database_connections',
      'database_connection_limit',
      'slow_statements',
      'function_errors',
    ],
  },
}

/** Whose requests are also told by class of status, by country and by path. */
export function hasBreakdowns(provider: Provider): boolean {
  return provider === 'cloudflare'
}

/** Of a shop that never sold a subscription, these say nothing and take up room; the last one speaks of an exception. */
export const SHOWN_WHERE_KNOWN: ReadonlySet<MetricName> = new Set([
  'mrr',
  'active_subscriptions',
  'new_subscriptions',
  'churned_subscriptions',
])
export const SHOWN_WHERE_ANY: ReadonlySet<MetricName> = new Set(['unpriced_subscriptions'])

/** Of which more is worse: a rise is not shown as good news. */
export const BETTER_WHEN_LESS: ReadonlySet<MetricName> = new Set([
  'emails_bounced',
  'emails_complained',
  'spf_unverified',
  'dkim_unverified',
  'refunds',
  'churned_subscriptions',
  'slow_statements',
  'function_errors',
  'threats',
])
