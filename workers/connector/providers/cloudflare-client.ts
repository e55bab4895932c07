import type { z } from 'zod'
import {
  type DailyGroup,
  DailyReply,
  type DatasetSettings,
  type GraphqlError,
  type HourlyGroup,
  HourlyReply,
  type HourlyRollup,
  HourlyRollupReply,
  PathsReply,
  SettingsReply,
} from '../../../domain/providers/cloudflare/schemas.ts'
import { DAY_MS, type DayOfPaths, dayOfPaths, pathsQuery } from './cloudflare-paths.ts'
import { type ProviderAccess, ProviderFailure } from './provider.ts'
import { askProvider } from './request.ts'

/** The widest page that we ask for stays well below it. */
const MAX_REPLY_BYTES = 4 * 1024 * 1024
/** Cloudflare's own window: waited out when a refusal names no time. */
const DEFAULT_RETRY_AFTER_MS = 5 * 60_000
export const ZONES_PER_QUERY = 10

const SETTINGS_FIELDS = '{ enabled notOlderThan maxDuration maxPageSize maxNumberOfFields }'
const SETTINGS = `query Settings($zones: [string!]) { viewer { zones(filter: { zoneTag_in: $zones }) { zoneTag
  settings { httpRequestsAdaptiveGroups ${SETTINGS_FIELDS} httpRequests1hGroups ${SETTINGS_FIELDS}
    httpRequests1dGroups ${SETTINGS_FIELDS} } } } }`

const HOURLY = `query Hourly($zone: string, $from: Time, $to: Time, $limit: uint64!) { viewer { zones(filter: { zoneTag: $zone }) {
  groups: httpRequestsAdaptiveGroups(
    filter: { datetime_geq: $from, datetime_lt: $to }, limit: $limit, orderBy: [datetimeHour_ASC]
  ) { count dimensions { datetimeHour } sum { visits edgeResponseBytes } avg { sampleInterval } } } } }`

const DAILY = `query Daily($zone: string, $from: Date, $to: Date, $limit: uint64!) { viewer { zones(filter: { zoneTag: $zone }) {
  groups: httpRequests1dGroups(
    filter: { date_geq: $from, date_lt: $to }, limit: $limit, orderBy: [date_ASC]
  ) { dimensions { date } uniq { uniques } sum { requests bytes cachedBytes threats
    responseStatusMap { edgeResponseStatus requests } countryMap { clientCountryName requests } } } } } }`

const HOURLY_ROLLUP = `query HourlyRollup($zone: string, $from: Time, $to: Time, $limit: uint64!) { viewer { zones(filter: { zoneTag: $zone }) {
  groups: httpRequests1hGroups(
    filter: { datetime_geq: $from, datetime_lt: $to }, limit: $limit, orderBy: [datetime_ASC]
  ) { dimensions { datetime } uniq { uniques } sum { cachedBytes threats
    responseStatusMap { edgeResponseStatus requests } } } } } }`

/** How many leaves a query asks of one row, which a dataset's settings bound. */
export const FIELDS = { hourly: 5, hourly_rollup: 6, daily: 10, paths: 4 } as const

export type NodeName = 'httpRequestsAdaptiveGroups' | 'httpRequests1hGroups' | 'httpRequests1dGroups'
export type ZoneSettings = { readonly [Name in NodeName]: DatasetSettings }

/** Cloudflare's GraphQL Analytics API. Every way in which a call can fail leaves as a `ProviderFailure`. */
export class CloudflareClient {
  readonly #access: ProviderAccess

  constructor(access: ProviderAccess) {
    this.#access = access
  }

  async settings(zones: readonly string[]): Promise<ReadonlyMap<string, ZoneSettings>> {
    const reply = await this.#query(SETTINGS, { zones }, SettingsReply)
    return new Map(reply.map(({ zoneTag, settings }) => [zoneTag, settings]))
  }

  async hourly(zone: string, from: number, to: number, limit: number): Promise<readonly HourlyGroup[]> {
    const variables = { zone, from: new Date(from).toISOString(), to: new Date(to).toISOString(), limit }
    return onlyZone(await this.#query(HOURLY, variables, HourlyReply)).groups
  }

  async daily(zone: string, from: number, to: number, limit: number): Promise<readonly DailyGroup[]> {
    const date = (at: number) => new Date(at).toISOString().slice(0, 10)
    return onlyZone(await this.#query(DAILY, { zone, from: date(from), to: date(to), limit }, DailyReply)).groups
  }

  async hourlyRollup(zone: string, from: number, to: number, limit: number): Promise<readonly HourlyRollup[]> {
    const variables = { zone, from: new Date(from).toISOString(), to: new Date(to).toISOString(), limit }
    return onlyZone(await this.#query(HOURLY_ROLLUP, variables, HourlyRollupReply)).groups
  }

  /** Of each day all its requests and its `limit` most asked for paths, in one query. */
  async paths(zone: string, days: readonly number[], limit: number): Promise<readonly DayOfPaths[]> {
    const bounds = Object.fromEntries(
      days.flatMap((day, index) => [
        [`from${index}`, new Date(day).toISOString()],
        [`to${index}`, new Date(day + DAY_MS).toISOString()],
      ]),
    )
    const lists = onlyZone(await this.#query(pathsQuery(days.length), { zone, limit, ...bounds }, PathsReply))
    return days.flatMap((day, index) => dayOfPaths(day, lists[`total${index}`], lists[`paths${index}`], limit) ?? [])
  }

  async #query<Zone>(
    query: string,
    variables: Record<string, unknown>,
    reply: z.ZodType<GraphqlReply<Zone>>,
  ): Promise<readonly Zone[]> {
    const answer = await askProvider(this.#access, {
      method: 'POST',
      path: '/graphql',
      body: JSON.stringify({ query, variables }),
      maxReplyBytes: MAX_REPLY_BYTES,
      defaultRetryAfterMs: DEFAULT_RETRY_AFTER_MS,
    })
    const parsed = reply.safeParse(answer)
    if (!parsed.success) throw new ProviderFailure('provider_reply_invalid')
    const { data, errors } = parsed.data
    if (errors !== null && errors !== undefined && errors.length > 0) throw refusalOf(errors)
    if (data?.viewer === null || data === null) throw new ProviderFailure('provider_reply_invalid')
    return data.viewer.zones
  }
}

function onlyZone<Zone>(zones: readonly Zone[]): Zone {
  const [zone] = zones
  // A zone that the token no longer sees is left out of the list.
  if (zone === undefined) throw new ProviderFailure('provider_zone_forbidden')
  return zone
}

type GraphqlReply<Zone> = {
  readonly data: { readonly viewer: { readonly zones: readonly Zone[] } | null } | null
  readonly errors?: readonly GraphqlError[] | null | undefined
}

function refusalOf(errors: readonly GraphqlError[]): ProviderFailure {
  const codes = errors.map(({ extensions }) => extensions?.code)
  if (codes.includes('authz')) return new ProviderFailure('provider_zone_forbidden')
  if (codes.includes('budget')) return new ProviderFailure('provider_rate_limited', DEFAULT_RETRY_AFTER_MS)
  return new ProviderFailure('provider_query_refused')
}
