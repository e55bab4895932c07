import { z } from 'zod'

/** Resend's REST API (resend.com/docs/api-reference, github.com/resend/resend-openapi 1.5.0). Unknown members are ignored. */
export const MAX_PAGE_ITEMS = 100

const instant = z.string().max(64)
const hasMore = z.boolean()

/** A status that we do not know is one that is not `verified`. */
const status = z.string().max(32)
export const VERIFIED = 'verified'

/** As Postgres writes a moment, `2023-04-26 20:21:26.347412+00`: its day is in UTC. */
const dayOfMoment = z
  .string()
  .max(64)
  .transform((text) => text.slice(0, 10))
  .pipe(z.iso.date())
export const Domain = z.object({
  id: z.uuid(),
  name: z.string().min(1).max(253),
  status,
  created_at: dayOfMoment,
})
export type Domain = z.infer<typeof Domain>

/** `GET /domains?limit=&after=`. */
export const DomainsPage = z.object({
  object: z.literal('list'),
  has_more: hasMore,
  data: z.array(Domain).max(MAX_PAGE_ITEMS),
})

export const DomainRecord = z.object({
  record: z.string().max(32),
  name: z.string().max(255),
  type: z.string().max(16),
  status,
  value: z.string().max(4096),
})
export type DomainRecord = z.infer<typeof DomainRecord>
/** `GET /domains/{id}`: with the DNS records that Resend asks for, and what it found of each. */
export const DomainDetail = Domain.extend({ records: z.array(DomainRecord).max(50) })
export type DomainDetail = z.infer<typeof DomainDetail>

/** Those of its event counts that are shown. */
export const EVENT_COUNTS = ['sent', 'delivered', 'delivery_delayed', 'bounced', 'complained', 'suppressed'] as const
export type EventCount = (typeof EVENT_COUNTS)[number]

const count = z.int().min(0)
const counts = z.object({
  sent: count,
  delivered: count,
  delivery_delayed: count,
  bounced: count,
  complained: count,
  suppressed: count,
} satisfies Record<EventCount, z.ZodType>)

/** Domains in one question; more are refused. */
export const MAX_METRICS_DOMAINS = 100
export const MAX_METRICS_ROWS = 4000
/** `GET /emails/metrics`: `start_date` is later than asked for where the plan no longer keeps the days before. */
const metrics = z.object({ object: z.literal('metrics'), start_date: instant, end_date: instant, totals: counts })
export const Totals = metrics
export const DayRow = counts.extend({ period: z.iso.date(), domain_id: z.uuid() })
export type DayRow = z.infer<typeof DayRow>
/** Asked with `dimensions=period,domain`. */
export const DayCounts = metrics.extend({ data: z.array(DayRow).max(MAX_METRICS_ROWS) })
export type DayCounts = z.infer<typeof DayCounts>

/** `restricted_api_key` is a key of `sending_access` that was asked to do anything but send. */
export const ApiError = z.object({ name: z.string().max(64) })
export const RESTRICTED = 'restricted_api_key'
