import { HISTORY_MS } from '../../../domain/backfill/retention.ts'
import type { DatasetName } from '../../../workers/connector/providers/provider.ts'
import { DATASETS } from '../../simulators/cloudflare/graphql.ts'
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
const DAILY = {
  requests: (day: DayOfTraffic) => day.requests,
  bytes: (day: DayOfTraffic) => day.bytes,
  cached_bytes: (day: DayOfTraffic) => day.cachedBytes,
  unique_visitors: (day: DayOfTraffic) => day.uniques,
} as const
type Hours = readonly (HourOfTraffic | undefined)[]
/** Of what the provider gives by the hour alone, days are made by Flarewatch. */
const SUMMED = {
  visits: (hours: Hours) => hours.reduce((sum, hour) => sum + (hour === undefined ? 0 : HOURLY.visits(hour)), 0),
} as const

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
  const hour = (zone: WorldZone, begin: number) => world.hour(zone, begin, begin + HOUR_MS)
  const day = (zone: WorldZone, begin: number) => world.day(zone, begin, begin + DAY_MS)
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
