import { EVENT_COUNTS, type EventCount } from '../../../domain/providers/resend/schemas.ts'
import type { Answer } from '../loopback-server.ts'
import { invalid } from './rest.ts'
import { DAY_MS, type World } from './world.ts'

/** Answers are as old as this at most: within it the same question gets the same answer. */
export const CACHED_MS = 15 * 60_000
const MAX_DOMAINS = 100
const ISO = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z)?$/
const DIMENSIONS = ['period', 'domain']

export type MetricsContext = { readonly world: World; readonly now: number; readonly retentionMs: number }
type Counts = Record<EventCount, number>
type Row = Counts & { period: string; domain_id: string; domain_name: string }
type Asked = {
  readonly from: number
  readonly to: number
  readonly names: readonly EventCount[]
  readonly dimensions: readonly string[]
  readonly domainIds: readonly string[]
}

/**
 * `GET /emails/metrics` in UTC days. Whether Resend counts an event to its own day or to its mail's is not published; here it is
 * the mail's, which is the harder one to read: days change when they are over.
 */
export function answerMetrics(query: URLSearchParams, context: MetricsContext): Answer {
  const asked = parse(query, context)
  if ('status' in asked) return asked
  const { names, dimensions, from, to } = asked
  const rows = rowsOf(asked, context)
  const totals = Object.fromEntries(names.map((name) => [name, rows.reduce((total, row) => total + row[name], 0)]))
  const body = {
    object: 'metrics',
    start_date: new Date(from).toISOString(),
    end_date: new Date(to).toISOString(),
    metrics: names,
    dimensions,
    granularity: 'daily',
    totals,
  }
  const data = rows.map(({ period, domain_id, domain_name, ...counts }) => ({
    period,
    domain_id,
    domain_name,
    ...Object.fromEntries(names.map((name) => [name, counts[name]])),
  }))
  return { status: 200, body: dimensions.length === 0 ? body : { ...body, data } }
}

function parse(query: URLSearchParams, { world, now, retentionMs }: MetricsContext): Asked | Answer {
  const end = query.get('end_date') ?? new Date(now).toISOString()
  const start = query.get('start_date') ?? new Date(Date.parse(end) - 6 * DAY_MS).toISOString()
  if (!ISO.test(start) || !ISO.test(end)) return invalid('`start_date` and `end_date` must be ISO 8601.')
  const to = Math.min(Date.parse(end), now)
  const from = Math.max(Date.parse(start), now - retentionMs)
  if (Date.parse(start) > Date.parse(end)) return invalid('`start_date` must be on or before `end_date`.')
  const [names, dimensions, domainIds] = [
    listed(query, 'metrics'),
    listed(query, 'dimensions'),
    listed(query, 'domain_id'),
  ]
  const known = EVENT_COUNTS.filter((name) => names.length === 0 || names.includes(name))
  if (names.length > 0 && known.length < names.length) return invalid('This metric is not simulated.')
  const isTotal = dimensions.length === 0
  if (!isTotal && dimensions.toSorted().join() !== DIMENSIONS.toSorted().join()) {
    return invalid('Only the dimensions period and domain, together, are simulated.')
  }
  if (domainIds.length > MAX_DOMAINS) return invalid('`domain_id` takes at most 100 ids.')
  if ((query.get('timezone') ?? 'UTC') !== 'UTC' || (query.get('granularity') ?? 'daily') !== 'daily') {
    return invalid('Only UTC and daily are simulated.')
  }
  return {
    from,
    to,
    names: known,
    dimensions,
    domainIds: domainIds.length > 0 ? domainIds : world.domains.map(({ id }) => id),
  }
}

/** A list is given by commas, by repetition, or both. */
function listed(query: URLSearchParams, name: string): readonly string[] {
  return query.getAll(name).flatMap((value) => value.split(',').filter((part) => part !== ''))
}

/** A day without mail has no row. */
function rowsOf({ from, to, domainIds }: Asked, { world, now }: MetricsContext): readonly Row[] {
  const asOf = Math.floor(now / CACHED_MS) * CACHED_MS
  const rows: Row[] = []
  for (let day = Math.floor(from / DAY_MS) * DAY_MS; day <= to; day += DAY_MS) {
    for (const domain of world.domains.filter(({ id }) => domainIds.includes(id))) {
      const mails = world
        .mails(domain, day)
        .filter(({ createdAt }) => createdAt >= from && createdAt <= Math.min(to, asOf))
      if (mails.length === 0) continue
      const happened = mails.flatMap(({ events }) => events.filter(({ at }) => at <= asOf))
      const counts = Object.fromEntries(
        EVENT_COUNTS.map((name) => [name, happened.filter((event) => event.name === name).length]),
      ) as Counts
      rows.push({
        period: new Date(day).toISOString().slice(0, 10),
        domain_id: domain.id,
        domain_name: domain.name,
        ...counts,
      })
    }
  }
  return rows
}
