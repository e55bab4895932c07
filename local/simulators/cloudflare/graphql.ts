import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSchema, execute, GraphQLError, parse, validate } from 'graphql'
import { z } from 'zod'
import type { Fault } from '../faults.ts'
import { type Grant, TOKEN_SCOPES } from './tokens.ts'
import { DAY_MS, HOUR_MS, type World, type WorldZone } from './world.ts'

export const DATASETS = ['httpRequestsAdaptiveGroups', 'httpRequests1dGroups'] as const
export type Dataset = (typeof DATASETS)[number]
export type DatasetLimits = { enabled: boolean; notOlderThan: number; maxDuration: number; maxPageSize: number }

/** A paid plan's bounds, as Cloudflare's settings node gives them: seconds and rows. */
export const DEFAULT_LIMITS: Record<Dataset, DatasetLimits> = {
  httpRequestsAdaptiveGroups: { enabled: true, notOlderThan: 2_678_400, maxDuration: 259_200, maxPageSize: 10_000 },
  httpRequests1dGroups: { enabled: true, notOlderThan: 31_622_400, maxDuration: 31_622_400, maxPageSize: 10_000 },
}

export type GraphqlAnswer = { data: unknown; errors: readonly unknown[] | null }
export type GraphqlContext = {
  readonly world: World
  readonly grant: Grant
  readonly limits: Record<Dataset, DatasetLimits>
  readonly now: number
  readonly bend: (dataset: Dataset, zone: WorldZone) => Fault | undefined
}

const MAX_ZONES = 10
const GraphqlRequest = z.object({
  query: z.string().max(65_536),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().max(256).nullish(),
})
const schema = buildSchema(readFileSync(join(import.meta.dirname, 'schema.graphql'), 'utf8'))

export async function answerGraphql(body: unknown, context: GraphqlContext): Promise<GraphqlAnswer> {
  const request = GraphqlRequest.safeParse(body)
  if (!request.success) return refusal('error parsing args: the request is not a GraphQL request', context.now)
  try {
    const document = parse(request.data.query, { maxTokens: 2000 })
    const invalid = validate(schema, document)
    if (invalid.length > 0) return { data: null, errors: invalid.map((error) => wireError(error, context.now)) }
    const { data, errors } = await execute({
      schema,
      document,
      rootValue: { viewer: { zones: (args: ZonesArgs) => zonesField(args, context) } },
      variableValues: request.data.variables,
      operationName: request.data.operationName,
    })
    if (errors === undefined) return { data, errors: null }
    return { data: null, errors: errors.map((error) => wireError(error, context.now)) }
  } catch (error) {
    if (error instanceof GraphQLError) return { data: null, errors: [wireError(error, context.now)] }
    throw error
  }
}

export function refusal(message: string, now: number, code?: string): GraphqlAnswer {
  return { data: null, errors: [wireError(new GraphQLError(message, { extensions: code ? { code } : {} }), now)] }
}

/** Cloudflare's own wording where it is known: clients match on it. */
function wireError(error: GraphQLError, now: number): unknown {
  const field = /^Cannot query field "(\w+)"/.exec(error.message)?.[1]
  const message = field === undefined ? error.message : `unknown field "${field}"`
  return {
    message,
    path: error.path?.map(String) ?? null,
    extensions: { ...error.extensions, timestamp: new Date(now).toISOString() },
  }
}

function quota(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'quota' } })
}

type ZonesArgs = { filter?: { zoneTag?: string; zoneTag_in?: string[] } }

function zonesField({ filter }: ZonesArgs, context: GraphqlContext): unknown {
  const tags = filter?.zoneTag_in ?? (filter?.zoneTag === undefined ? [] : [filter.zoneTag])
  if (tags.length === 0) throw new GraphQLError('error parsing args for "zones": a zoneTag filter is required')
  if (tags.length > MAX_ZONES) throw quota(`number of zones can't be more than ${MAX_ZONES}`)
  const permissions = TOKEN_SCOPES[context.grant.scope]
  return tags.map((tag) => {
    const zone = context.grant.zones.find(({ id }) => id === tag)
    if (zone === undefined || (permissions !== undefined && !permissions.some((name) => name === '#analytics:read'))) {
      throw new GraphQLError(`zone '${tag}' does not have access to the path`, { extensions: { code: 'authz' } })
    }
    return {
      zoneTag: tag,
      settings: context.limits,
      httpRequestsAdaptiveGroups: (args: HourlyArgs) => hourlyRows(args, zone, context),
      httpRequests1dGroups: (args: DailyArgs) => dailyRows(args, zone, context),
    }
  })
}

type HourlyArgs = { filter?: { datetime_geq?: string; datetime_lt?: string }; limit: number; orderBy?: string[] }
type DailyArgs = { filter?: { date_geq?: string; date_lt?: string }; limit: number; orderBy?: string[] }

function hourlyRows(args: HourlyArgs, zone: WorldZone, context: GraphqlContext): readonly unknown[] {
  const dataset = 'httpRequestsAdaptiveGroups'
  const window = judgeWindow(dataset, args.filter?.datetime_geq, args.filter?.datetime_lt, args.limit, context)
  const rowOf = (begin: number) => {
    const hour = context.world.hour(zone, begin, context.now)
    return (
      hour && {
        count: hour.requests,
        dimensions: { datetimeHour: new Date(begin).toISOString().replace('.000Z', 'Z') },
        sum: { visits: hour.visits, edgeResponseBytes: hour.bytes },
        avg: { sampleInterval: hour.sampleInterval },
      }
    )
  }
  return page({ ...window, step: HOUR_MS, rowOf }, args, context.bend(dataset, zone))
}

function dailyRows(args: DailyArgs, zone: WorldZone, context: GraphqlContext): readonly unknown[] {
  const dataset = 'httpRequests1dGroups'
  const window = judgeWindow(dataset, args.filter?.date_geq, args.filter?.date_lt, args.limit, context)
  const rowOf = (begin: number) => {
    const day = context.world.day(zone, begin, context.now)
    return (
      day && {
        dimensions: { date: new Date(begin).toISOString().slice(0, 10) },
        sum: { requests: day.requests, bytes: day.bytes, cachedBytes: day.cachedBytes },
        uniq: { uniques: day.uniques },
      }
    )
  }
  return page({ ...window, step: DAY_MS, rowOf }, args, context.bend(dataset, zone))
}

function judgeWindow(
  dataset: Dataset,
  first: string | undefined,
  end: string | undefined,
  limit: number,
  { limits, now }: GraphqlContext,
): { from: number; to: number } {
  const { enabled, notOlderThan, maxDuration, maxPageSize } = limits[dataset]
  const from = Date.parse(first ?? '')
  const to = Date.parse(end ?? '')
  if (!enabled) throw new GraphQLError(`${dataset} is not available for your plan`, { extensions: { code: 'authz' } })
  if (Number.isNaN(from) || Number.isNaN(to)) throw new GraphQLError(`error parsing args for "${dataset}": time range`)
  if (!Number.isInteger(limit) || limit < 1 || limit > maxPageSize) {
    throw quota(`limit must be positive number and not greater than ${maxPageSize}`)
  }
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
