import { type FieldNode, GraphQLError, type GraphQLResolveInfo } from 'graphql'
import type { Fault } from '../faults.ts'
import type { GraphqlContext } from './graphql.ts'
import { DAY_MS, type DayOfTraffic, HOUR_MS, type HourOfTraffic, type WorldZone } from './world.ts'

export const DATASETS = ['httpRequestsAdaptiveGroups', 'httpRequests1hGroups', 'httpRequests1dGroups'] as const
export type Dataset = (typeof DATASETS)[number]
export type DatasetLimits = {
  enabled: boolean
  notOlderThan: number
  maxDuration: number
  maxPageSize: number
  maxNumberOfFields: number
}

const MONTH = {
  enabled: true,
  notOlderThan: 2_678_400,
  maxDuration: 259_200,
  maxPageSize: 10_000,
  maxNumberOfFields: 30,
}
/** A paid plan's bounds, as Cloudflare's settings node gives them: seconds, rows and fields. */
export const DEFAULT_LIMITS: Record<Dataset, DatasetLimits> = {
  httpRequestsAdaptiveGroups: { ...MONTH },
  httpRequests1hGroups: { ...MONTH },
  httpRequests1dGroups: { ...MONTH, notOlderThan: 31_622_400, maxDuration: 31_622_400 },
}

export function quota(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'quota' } })
}

export type NodeArgs = {
  readonly filter?: { datetime_geq?: string; datetime_lt?: string; date_geq?: string; date_lt?: string }
  readonly limit: number
  readonly orderBy?: string[]
}

/** One dataset's node of a query: judged by its limits, grouped by the dimensions that are asked for, bent by a fault. */
export function rowsOfNode(
  dataset: Dataset,
  args: NodeArgs,
  info: GraphQLResolveInfo,
  zone: WorldZone,
  context: GraphqlContext,
): readonly unknown[] {
  const asked = leavesOf(info.fieldNodes)
  const { filter, limit } = args
  const window = judgeNode(
    dataset,
    [filter?.datetime_geq ?? filter?.date_geq, filter?.datetime_lt ?? filter?.date_lt],
    { limit, fields: asked.length },
    context,
  )
  const dimensions = asked.filter((path) => path.startsWith('dimensions.')).map((path) => path.slice(11))
  const grouped = `${dataset} ${dimensions.sort().join(' ')}`
  const fault = context.bend(grouped, zone)
  switch (grouped) {
    case 'httpRequestsAdaptiveGroups datetimeHour':
      return page({ ...window, step: HOUR_MS, rowOf: (begin) => adaptiveHour(begin, zone, context) }, args, fault)
    case 'httpRequests1hGroups datetime':
      return page({ ...window, step: HOUR_MS, rowOf: (begin) => rolledHour(begin, zone, context) }, args, fault)
    case 'httpRequests1dGroups date':
      return page({ ...window, step: DAY_MS, rowOf: (begin) => rolledDay(begin, zone, context) }, args, fault)
    case 'httpRequestsAdaptiveGroups date':
      return page({ ...window, step: DAY_MS, rowOf: (begin) => adaptiveDay(begin, zone, context) }, args, fault)
    case 'httpRequestsAdaptiveGroups clientRequestPath date':
      return pathsPage(window, args, fault, zone, context)
    default:
      throw new GraphQLError(`the simulated ${dataset} is not grouped by ${dimensions.join(', ')}`)
  }
}

/** What a query asks of a row, each leaf by its way there. */
function leavesOf(nodes: readonly FieldNode[], way = ''): string[] {
  return nodes
    .flatMap(({ selectionSet }) => selectionSet?.selections ?? [])
    .flatMap((node) => {
      if (node.kind !== 'Field') throw new GraphQLError('fragments are not simulated')
      const path = way + node.name.value
      return node.selectionSet === undefined ? [path] : leavesOf([node], `${path}.`)
    })
}

const instant = (at: number) => new Date(at).toISOString().replace('.000Z', 'Z')
const date = (at: number) => new Date(at).toISOString().slice(0, 10)

function adaptiveHour(begin: number, zone: WorldZone, { world, now }: GraphqlContext): unknown {
  const hour = world.hour(zone, begin, now)
  return (
    hour && {
      count: hour.requests,
      dimensions: { datetimeHour: instant(begin) },
      sum: { visits: hour.visits, edgeResponseBytes: hour.bytes },
      avg: { sampleInterval: hour.sampleInterval },
    }
  )
}

function adaptiveDay(begin: number, zone: WorldZone, { world, now }: GraphqlContext): unknown {
  const day = world.day(zone, begin, now)
  return day && { count: day.requests, dimensions: { date: date(begin) }, avg: { sampleInterval: sampledBy(day) } }
}

function rolledHour(begin: number, zone: WorldZone, { world, now }: GraphqlContext): unknown {
  const hour = world.hour(zone, begin, now)
  return hour && { dimensions: { datetime: instant(begin) }, sum: rolled(hour), uniq: { uniques: hour.uniques } }
}

function rolledDay(begin: number, zone: WorldZone, { world, now }: GraphqlContext): unknown {
  const day = world.day(zone, begin, now)
  if (day === undefined) return undefined
  const countryMap = [...day.countries].map(([clientCountryName, requests]) => ({ clientCountryName, requests }))
  return { dimensions: { date: date(begin) }, sum: { ...rolled(day), countryMap }, uniq: { uniques: day.uniques } }
}

function rolled({ requests, bytes, cachedBytes, threats, statuses }: HourOfTraffic | DayOfTraffic) {
  const responseStatusMap = [...statuses].map(([edgeResponseStatus, requests]) => ({ edgeResponseStatus, requests }))
  return { requests, bytes, cachedBytes, threats, responseStatusMap }
}

/** A day of many requests is grouped from a coarser sample than its hours. */
function sampledBy(day: DayOfTraffic | undefined): number {
  return (day?.requests ?? 0) > 20_000 ? 10 : 1
}

/** The paths of whole days, the most asked for first. */
function pathsPage(
  { from, to }: { readonly from: number; readonly to: number },
  { limit, orderBy }: NodeArgs,
  fault: Fault | undefined,
  zone: WorldZone,
  { world, now }: GraphqlContext,
): readonly unknown[] {
  if (orderBy?.join() !== 'count_DESC') throw new GraphQLError('the simulated paths come by count_DESC alone')
  if (fault?.kind === 'empty_result') return []
  const shift = fault?.kind === 'repeated_page' ? to - from : 0
  const rows: { count: number; dimensions: object; avg: object }[] = []
  for (let begin = from - shift; begin < to - shift; begin += DAY_MS) {
    const day = world.day(zone, begin, now)
    for (const [clientRequestPath, count] of day?.paths ?? []) {
      rows.push({
        count,
        dimensions: { clientRequestPath, date: date(begin) },
        avg: { sampleInterval: sampledBy(day) },
      })
    }
  }
  const page = rows.sort((a, b) => b.count - a.count).slice(0, limit)
  return fault?.kind === 'partial' ? page.slice(0, Math.ceil(page.length / 2)) : page
}

function judgeNode(
  dataset: Dataset,
  [first, end]: readonly [string | undefined, string | undefined],
  { limit, fields }: { readonly limit: number; readonly fields: number },
  { limits, now }: GraphqlContext,
): { from: number; to: number } {
  const { enabled, notOlderThan, maxDuration, maxPageSize, maxNumberOfFields } = limits[dataset]
  const from = Date.parse(first ?? '')
  const to = Date.parse(end ?? '')
  if (!enabled) throw new GraphQLError(`${dataset} is not available for your plan`, { extensions: { code: 'authz' } })
  if (Number.isNaN(from) || Number.isNaN(to)) throw new GraphQLError(`error parsing args for "${dataset}": time range`)
  if (!Number.isInteger(limit) || limit < 1 || limit > maxPageSize) {
    throw quota(`limit must be positive number and not greater than ${maxPageSize}`)
  }
  if (fields > maxNumberOfFields) throw quota(`number of fields can't be more than ${maxNumberOfFields}`)
  if (from < now - notOlderThan * 1000) throw quota(`cannot request data older than ${notOlderThan}s`)
  if (to - from > maxDuration * 1000) {
    throw quota(`query time range is too large. Time range can't be wider than ${maxDuration}s`)
  }
  return { from, to }
}

type Windows = {
  readonly from: number
  readonly to: number
  readonly step: number
  readonly rowOf: (begin: number) => unknown
}

function page(
  windows: Windows,
  { limit, orderBy }: { readonly limit: number; readonly orderBy?: string[] },
  fault: Fault | undefined,
): readonly unknown[] {
  const { from, to, step } = windows
  switch (fault?.kind) {
    case 'empty_result':
      return []
    case 'repeated_page': {
      // The page before the one that was asked for: what a lost cursor gives.
      const width = Math.max(step, Math.min(to - from, limit * step))
      return rowsOf({ ...windows, from: from - width, to: from }, orderBy).slice(0, limit)
    }
    case 'partial': {
      const rows = rowsOf(windows, orderBy).slice(0, limit)
      return rows.slice(0, Math.ceil(rows.length / 2))
    }
    default:
      return rowsOf(windows, orderBy).slice(0, limit)
  }
}

function rowsOf({ from, to, step, rowOf }: Windows, orderBy: readonly string[] | undefined): unknown[] {
  const first = Math.ceil(from / step) * step
  const count = Math.max(0, Math.ceil((to - first) / step))
  const rows = Array.from({ length: count }, (_, index) => rowOf(first + index * step)).filter(
    (row) => row !== undefined,
  )
  return orderBy?.some((order) => order.endsWith('_DESC')) ? rows.reverse() : rows
}
