import { HISTORY_MS } from '../../../domain/backfill/retention.ts'
import type { DatasetName } from '../../../workers/connector/providers/provider.ts'
import { DATASETS } from '../../simulators/cloudflare/datasets.ts'
import { startCloudflareSimulator } from '../../simulators/cloudflare/simulator.ts'
import {
  DAY_MS,
  type DayOfTraffic,
  HOUR_MS,
  type HourOfTraffic,
  World,
  type WorldZone,
} from '../../simulators/cloudflare/world.ts'
import { type BookSite, control, type Entry, type Open } from '../books.ts'

/** A line a metric: where it stands in the world's own books. */
const HOURLY = {
  requests: (hour: HourOfTraffic) => hour.requests,
  visits: (hour: HourOfTraffic) => hour.visits,
  bytes: (hour: HourOfTraffic) => hour.bytes,
} as const
/** What the roll-up of an hour and that of a day both have. */
const ROLLED_UP = {
  cached_bytes: (counted: DayOfTraffic) => counted.cachedBytes,
  unique_visitors: (counted: DayOfTraffic) => counted.uniques,
  threats: (counted: DayOfTraffic) => counted.threats,
  responses_1xx: (counted: DayOfTraffic) => ofClass(counted, 1),
  responses_2xx: (counted: DayOfTraffic) => ofClass(counted, 2),
  responses_3xx: (counted: DayOfTraffic) => ofClass(counted, 3),
  responses_4xx: (counted: DayOfTraffic) => ofClass(counted, 4),
  responses_5xx: (counted: DayOfTraffic) => ofClass(counted, 5),
} as const
const DAILY = {
  requests: (day: DayOfTraffic) => day.requests,
  bytes: (day: DayOfTraffic) => day.bytes,
  ...ROLLED_UP,
} as const
type Hours = readonly (HourOfTraffic | undefined)[]
/** Of what the provider gives by the hour alone, days are made by Flarewatch. */
const SUMMED = {
  visits: (hours: Hours) => hours.reduce((sum, hour) => sum + (hour === undefined ? 0 : HOURLY.visits(hour)), 0),
} as const

/** Long after the end of every window, the last that came late is in it. */
const ALL_COUNTED = Number.POSITIVE_INFINITY
const DAY_SECONDS = 86_400
/** What one question may span. */
const WIDEST_DAYS = 30

export const openCloudflare: Open = async (options, retentionDays) => {
  const simulator = await startCloudflareSimulator(options)
  const world = new World(options.seed)
  for (const dataset of DATASETS) {
    const limits = { notOlderThan: retentionDays * DAY_SECONDS, maxDuration: WIDEST_DAYS * DAY_SECONDS }
    await control(simulator, 'limits', { dataset, ...limits })
  }
  const depthOf = (dataset: DatasetName) => Math.min(retentionDays * DAY_MS, HISTORY_MS[dataset])
  const hour = (zone: WorldZone, begin: number) => world.hour(zone, begin, ALL_COUNTED)
  const day = (zone: WorldZone, begin: number) => world.day(zone, begin, ALL_COUNTED)
  const hours = (zone: WorldZone, begin: number): Hours =>
    Array.from({ length: 24 }, (_, index) => hour(zone, begin + index * HOUR_MS))
  return {
    simulator,
    accounts: [
      {
        key: simulator.issueReadKey(),
        sites: world.zones.map(({ id, name }) => ({ ref: id, name, timeZone: 'UTC' })),
      },
    ],
    books: [
      {
        dataset: 'hourly',
        counted: { ...counted(world, HOUR_MS, HOURLY, hour), settlingMs: 10 * 60_000, depthMs: depthOf('hourly') },
      },
      {
        dataset: 'hourly',
        counted: {
          ...counted(world, HOUR_MS, ROLLED_UP, hour),
          settlingMs: 20 * 60_000,
          depthMs: depthOf('hourly_rollup'),
        },
      },
      {
        dataset: 'daily',
        counted: { ...counted(world, DAY_MS, SUMMED, hours), settlingMs: HOUR_MS, depthMs: depthOf('hourly') },
      },
      {
        dataset: 'daily',
        counted: { ...counted(world, DAY_MS, DAILY, day), settlingMs: HOUR_MS, depthMs: depthOf('daily') },
      },
    ],
  }
}

function ofClass({ statuses }: DayOfTraffic, first: number): number {
  const own = [...statuses].filter(([status]) => Math.floor(status / 100) === first)
  return own.reduce((sum, [, requests]) => sum + requests, 0)
}

function counted<Row, Name extends keyof typeof HOURLY | keyof typeof DAILY>(
  world: World,
  windowMs: number,
  columns: { readonly [Metric in Name]: (row: Row) => number },
  rowOf: (zone: WorldZone, begin: number) => Row | undefined,
) {
  const metrics = Object.keys(columns) as Name[]
  function* entries({ ref }: BookSite, from: number, to: number): Generator<Entry> {
    const zone = world.zones.find(({ id }) => id === ref)
    if (zone === undefined) throw new Error(`no zone ${ref}`)
    for (let begin = Math.ceil(from / windowMs) * windowMs; begin + windowMs <= to; begin += windowMs) {
      const row = rowOf(zone, begin)
      if (row === undefined) continue
      for (const metric of metrics) {
        const window = { windowStart: begin, windowEnd: begin + windowMs }
        yield { metric, ...window, currency: null, value: columns[metric](row) }
      }
    }
  }
  return { metrics, entries }
}
