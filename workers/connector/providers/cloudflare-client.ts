import type { z } from 'zod'
import {
  type DailyGroup,
  DailyReply,
  type DatasetSettings,
  type GraphqlError,
  type HourlyGroup,
  HourlyReply,
  SettingsReply,
} from '../../../domain/providers/cloudflare/schemas.ts'
import { type ProviderAccess, ProviderFailure } from './provider.ts'
import { askProvider } from './request.ts'

/** The widest page that we ask for stays well below it. */
const MAX_REPLY_BYTES = 4 * 1024 * 1024
/** Cloudflare's own window: waited out when a refusal names no time. */
const DEFAULT_RETRY_AFTER_MS = 5 * 60_000
export const ZONES_PER_QUERY = 10

const SETTINGS_FIELDS = '{ enabled notOlderThan maxDuration maxPageSize }'
const SETTINGS = `query Settings($zones: [string!]) { viewer { zones(filter: { zoneTag_in: $zones }) { zoneTag
  settings { httpRequestsAdaptiveGroups ${SETTINGS_FIELDS} httpRequests1dGroups ${SETTINGS_FIELDS} } } } }`

const HOURLY = `query Hourly($zone: string, $from: Time, $to: Time, $limit: uint64!) { viewer { zones(filter: { zoneTag: $zone }) {
  groups: httpRequestsAdaptiveGroups(
    filter: { datetime_geq: $from, datetime_lt: $to }, limit: $limit, orderBy: [datetimeHour_ASC]
  ) { count dimensions { datetimeHour } sum { visits edgeResponseBytes } avg { sampleInterval } } } } }`

const DAILY = `query Daily($zone: string, $from: Date, $to: Date, $limit: uint64!) { viewer { zones(filter: { zoneTag: $zone }) {
  groups: httpRequests1dGroups(
    filter: { date_geq: $from, date_lt: $to }, limit: $limit, orderBy: [date_ASC]
  ) { dimensions { date } sum { requests bytes cachedBytes } uniq { uniques } } } } }`

export type ZoneSettings = { readonly hourly: DatasetSettings; readonly daily: DatasetSettings }

/** Cloudflare's GraphQL Analytics API. Every way in which a call can fail leaves as a `ProviderFailure`. */
export class CloudflareClient {
  readonly #access: ProviderAccess

  constructor(access: ProviderAccess) {
    this.#access = access
  }

  async settings(zones: readonly string[]): Promise<ReadonlyMap<string, ZoneSettings>> {
    const reply = await this.#query(SETTINGS, { zones }, SettingsReply)
    return new Map(
      reply.map(({ zoneTag, settings }) => [
        zoneTag,
        { hourly: settings.httpRequestsAdaptiveGroups, daily: settings.httpRequests1dGroups },
      ]),
    )
  }

  async hourly(zone: string, from: number, to: number, limit: number): Promise<readonly HourlyGroup[]> {
    const variables = { zone, from: new Date(from).toISOString(), to: new Date(to).toISOString(), limit }
    return this.#onlyZone(await this.#query(HOURLY, variables, HourlyReply))
  }

  async daily(zone: string, from: number, to: number, limit: number): Promise<readonly DailyGroup[]> {
    const date = (at: number) => new Date(at).toISOString().slice(0, 10)
    return this.#onlyZone(await this.#query(DAILY, { zone, from: date(from), to: date(to), limit }, DailyReply))
  }

  #onlyZone<Group>(zones: readonly { readonly groups: readonly Group[] }[]): readonly Group[] {
    const [zone] = zones
    // A zone that the token no longer sees is left out of the list.
    if (zone === undefined) throw new ProviderFailure('provider_zone_forbidden')
    return zone.groups
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
