import { METRICS, type MetricName } from '../../../domain/metrics/definitions.ts'
import { MAX_KEPT_SHARES, topOf } from '../../../domain/metrics/tops.ts'
import { keepablePaths } from '../../../domain/providers/cloudflare/paths.ts'
import type { DailyGroup, HourlyGroup, HourlyRollup } from '../../../domain/providers/cloudflare/schemas.ts'
import { type CloudflareClient, FIELDS, type NodeName } from './cloudflare-client.ts'
import { DAY_MS, type DayOfPaths } from './cloudflare-paths.ts'
import type { DatasetName, DayTop, Fact } from './provider.ts'

const HOUR_MS = 3_600_000

/** What is read of a zone in windows of one length, with a cursor of its own. */
export type Dataset<Row> = {
  readonly name: DatasetName
  /** As Cloudflare's schema and settings call it. */
  readonly node: NodeName
  readonly fields: number
  readonly windowMs: number
  /** Events reach Cloudflare's datasets minutes late; a roll-up is built after its last hour. */
  readonly settlingMs: number
  /** Whether a window that may still change is left alone: figures that can wait an hour or a day cost no query meanwhile. */
  readonly waits: boolean
  /** What one query asks for, what is held in memory, and what is written in one transaction. */
  readonly maxWindows: number
  /** How far back a first poll reads; the rest is history. */
  readonly recentMs: number
  /** A stretch that is known already proves what is read before it: long enough for a site with quiet nights. */
  readonly proofWindows: number
  readonly beginOf: (row: Row) => number
  readonly ask: (
    client: CloudflareClient,
    zone: string,
    from: number,
    to: number,
    limit: number,
  ) => Promise<readonly Row[]>
  readonly samplingOf: (row: Row) => number
  readonly values: (row: Row) => readonly (readonly [MetricName, number])[]
  readonly topsOf?: (row: Row) => readonly Pick<DayTop, 'dimension' | 'shares' | 'rest'>[]
}

export const HOURLY: Dataset<HourlyGroup> = {
  name: 'hourly',
  node: 'httpRequestsAdaptiveGroups',
  fields: FIELDS.hourly,
  windowMs: HOUR_MS,
  settlingMs: 10 * 60_000,
  waits: false,
  maxWindows: 400,
  recentMs: 2 * DAY_MS,
  proofWindows: 12,
  beginOf: ({ dimensions }) => Date.parse(dimensions.datetimeHour),
  ask: (client, ...range) => client.hourly(...range),
  samplingOf: ({ avg }) => avg.sampleInterval,
  values: ({ count, sum }) => [
    ['requests', count],
    ['visits', sum.visits],
    ['bytes', sum.edgeResponseBytes],
  ],
}

export const HOURLY_ROLLUP: Dataset<HourlyRollup> = {
  name: 'hourly_rollup',
  node: 'httpRequests1hGroups',
  fields: FIELDS.hourly_rollup,
  windowMs: HOUR_MS,
  settlingMs: 20 * 60_000,
  waits: true,
  maxWindows: 200,
  recentMs: 2 * DAY_MS,
  proofWindows: 12,
  beginOf: ({ dimensions }) => Date.parse(dimensions.datetime),
  ask: (client, ...range) => client.hourlyRollup(...range),
  samplingOf: () => 1,
  values: ({ sum, uniq }) => [
    ['cached_bytes', sum.cachedBytes],
    ['unique_visitors', uniq.uniques],
    ['threats', sum.threats],
    ...classesOf(sum.responseStatusMap),
  ],
}

export const DAILY: Dataset<DailyGroup> = {
  name: 'daily',
  node: 'httpRequests1dGroups',
  fields: FIELDS.daily,
  windowMs: DAY_MS,
  settlingMs: 60 * 60_000,
  waits: false,
  // A day lists each of its countries: a year of days would be more than is read of one answer.
  maxWindows: 90,
  recentMs: 7 * DAY_MS,
  proofWindows: 12,
  beginOf: ({ dimensions }) => Date.parse(dimensions.date),
  ask: (client, ...range) => client.daily(...range),
  samplingOf: () => 1,
  values: ({ sum, uniq }) => [
    ['requests', sum.requests],
    ['bytes', sum.bytes],
    ['cached_bytes', sum.cachedBytes],
    ['unique_visitors', uniq.uniques],
    ['threats', sum.threats],
    ...classesOf(sum.responseStatusMap),
  ],
  topsOf: ({ sum }) => {
    const shares = sum.countryMap.map(({ clientCountryName: key, requests: value }) => ({ key, value, sampling: 1 }))
    return [{ dimension: 'country', ...topOf(shares, sum.requests) }]
  },
}

export const PATHS: Dataset<DayOfPaths> = {
  name: 'paths',
  node: 'httpRequestsAdaptiveGroups',
  fields: FIELDS.paths,
  windowMs: DAY_MS,
  settlingMs: 60 * 60_000,
  waits: true,
  maxWindows: 7,
  recentMs: 7 * DAY_MS,
  // Each day of paths proves itself, by the sum of all its requests.
  proofWindows: 1,
  beginOf: ({ begin }) => begin,
  ask: (client, zone, from, to, limit) => {
    const days = Array.from({ length: (to - from) / DAY_MS }, (_, index) => from + index * DAY_MS)
    return client.paths(zone, days, Math.min(limit, MAX_KEPT_SHARES))
  },
  samplingOf: ({ sampling }) => sampling,
  values: () => [],
  topsOf: ({ paths, total }) => {
    const shares = paths.map(({ path: key, count: value, sampling }) => ({ key, value, sampling }))
    return [{ dimension: 'path', ...topOf(keepablePaths(shares), total) }]
  },
}

const CLASSES = ['responses_1xx', 'responses_2xx', 'responses_3xx', 'responses_4xx', 'responses_5xx'] as const

/** A status outside of 100 to 599 is none of HTTP's, and is in no class. */
function classesOf(statuses: DailyGroup['sum']['responseStatusMap']): (readonly [MetricName, number])[] {
  return CLASSES.map((metric, index) => {
    const own = statuses.filter(({ edgeResponseStatus }) => Math.floor(edgeResponseStatus / 100) === index + 1)
    return [metric, own.reduce((sum, { requests }) => sum + requests, 0)] as const
  })
}

export function factsOf<Row>(dataset: Dataset<Row>, row: Row, completeUntil: number): Fact[] {
  const origin = originOf(dataset, row, completeUntil)
  return dataset
    .values(row)
    .map(([metric, value]) => ({ metric, unit: METRICS[metric].unit, currency: null, value, ...origin }))
}

export function topsOf<Row>(dataset: Dataset<Row>, row: Row, completeUntil: number): DayTop[] {
  const origin = originOf(dataset, row, completeUntil)
  return (dataset.topsOf?.(row) ?? []).map((top) => ({ ...top, ...origin }))
}

function originOf<Row>({ beginOf, windowMs, node, samplingOf }: Dataset<Row>, row: Row, completeUntil: number) {
  const windowStart = beginOf(row)
  const windowEnd = windowStart + windowMs
  const completeness: Fact['completeness'] = windowEnd <= completeUntil ? 'complete' : 'partial'
  return { windowStart, windowEnd, source: `cloudflare.${node}`, sampling: samplingOf(row), completeness }
}
