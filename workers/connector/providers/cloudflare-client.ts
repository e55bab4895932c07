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
import { readBounded } from '../../runtime/bounded-body.ts'
import { ProviderFailure } from './provider.ts'

export type CloudflareClientOptions = {
  readonly apiUrl: string
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly clock: () => Promise<number>
  /** Gives the authorization header for one request; the token itself stays with the caller. */
  readonly authorization: () => string
  /** Takes one call from the credential's quota; throws `provider_rate_limited` when there is none. */
  readonly acquire: (at: number) => Promise<void>
  readonly timeoutMs?: number
}

const REQUEST_TIMEOUT_MS = 10_000
/** The widest page that we ask for stays well below it. */
const MAX_REPLY_BYTES = 4 * 1024 * 1024
/** Cloudflare's own window: waited out when a refusal names no time. */
const DEFAULT_RETRY_AFTER_MS = 5 * 60_000
const MAX_RETRY_AFTER_MS = 60 * 60_000
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
  readonly #options: CloudflareClientOptions

  constructor(options: CloudflareClientOptions) {
    this.#options = options
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
    await this.#options.acquire(await this.#options.clock())
    const parsed = reply.safeParse(await this.#post(JSON.stringify({ query, variables })))
    if (!parsed.success) throw new ProviderFailure('provider_reply_invalid')
    const { data, errors } = parsed.data
    if (errors !== null && errors !== undefined && errors.length > 0) throw refusalOf(errors)
    if (data?.viewer === null || data === null) throw new ProviderFailure('provider_reply_invalid')
    return data.viewer.zones
  }

  async #post(body: string): Promise<unknown> {
    const { apiUrl, fetch, timeoutMs } = this.#options
    try {
      const response = await fetch(`${apiUrl}/graphql`, {
        method: 'POST',
        headers: { authorization: this.#options.authorization(), 'content-type': 'application/json' },
        body,
        // A redirect would carry the token to another address.
        redirect: 'manual',
        // Covers the body too: a reply that stops half way is a time-out.
        signal: AbortSignal.timeout(timeoutMs ?? REQUEST_TIMEOUT_MS),
      })
      await this.#judgeStatus(response)
      const bytes = await readBounded(response.body, MAX_REPLY_BYTES)
      if (!bytes.ok) throw new ProviderFailure('provider_reply_too_large')
      return parseJson(bytes.value)
    } catch (error) {
      throw error instanceof ProviderFailure ? error : new ProviderFailure(networkCode(error))
    }
  }

  async #judgeStatus(response: Response): Promise<void> {
    if (response.status === 200) return
    await response.body?.cancel().catch(() => {})
    switch (response.status) {
      case 400:
        // Cloudflare's answer to an authorization header that is no token's: code 6003.
        throw new ProviderFailure('provider_query_refused')
      case 401:
        throw new ProviderFailure('provider_unauthorized')
      case 403:
        throw new ProviderFailure('provider_forbidden')
      case 429: {
        const now = await this.#options.clock()
        throw new ProviderFailure('provider_rate_limited', retryAfter(response.headers.get('retry-after'), now))
      }
      default:
        throw new ProviderFailure(response.status >= 500 ? 'provider_server_error' : 'provider_reply_invalid')
    }
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

/** RFC 9110, 10.2.3: seconds or a date. */
export function retryAfter(header: string | null, now: number): number {
  if (header === null) return DEFAULT_RETRY_AFTER_MS
  const seconds = /^\d{1,6}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  if (Number.isNaN(seconds)) return DEFAULT_RETRY_AFTER_MS
  return Math.min(Math.max(seconds, 1000), MAX_RETRY_AFTER_MS)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes))
  } catch {
    throw new ProviderFailure('provider_reply_invalid')
  }
}

function networkCode(error: unknown): 'provider_timeout' | 'provider_unreachable' {
  const name = error instanceof Error ? error.name : ''
  return name === 'TimeoutError' || name === 'AbortError' ? 'provider_timeout' : 'provider_unreachable'
}
