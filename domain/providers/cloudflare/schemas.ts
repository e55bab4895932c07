import { z } from 'zod'

/** Cloudflare's REST envelope (developers.cloudflare.com/fundamentals/api/reference). Unknown members are ignored. */
const ApiMessage = z.object({ code: z.int(), message: z.string().max(1024) })

function envelope<Result extends z.ZodType>(result: Result) {
  return z.object({
    success: z.literal(true),
    errors: z.array(ApiMessage).max(50).nullish(),
    result,
    result_info: z
      .object({
        page: z.int().min(1),
        per_page: z.int().min(1),
        total_pages: z.int().min(0),
        total_count: z.int().min(0),
      })
      .partial()
      .nullish(),
  })
}

export const ApiFailure = z.object({ success: z.literal(false), errors: z.array(ApiMessage).max(50) })

/** `GET /user/tokens/verify` and `GET /accounts/{id}/tokens/verify`. */
export const TokenVerification = envelope(
  z.object({ id: z.string().max(64), status: z.enum(['active', 'disabled', 'expired']) }),
)

export const ZONES_PER_PAGE = 50
export const Zone = z.object({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  name: z.string().min(1).max(253),
  status: z.string().max(64).optional(),
  account: z.object({ id: z.string().regex(/^[0-9a-f]{32}$/), name: z.string().max(256).optional() }).optional(),
  /** What this token may do in this zone, such as `#analytics:read`. Absent for some kinds of token. */
  permissions: z.array(z.string().max(128)).max(500).optional(),
})
export type Zone = z.infer<typeof Zone>

/** `GET /zones?page=&per_page=`. */
export const ZonesPage = envelope(z.array(Zone).max(ZONES_PER_PAGE))

/** `POST /zones/{id}/purge_cache`: everything, or up to 30 addresses. */
export const MAX_PURGED_FILES = 30
export const PurgeAnswer = envelope(z.object({ id: z.string().max(64) }))

/** What a GraphQL refusal says. `extensions.code` is `authz`, `quota`, `budget` or absent. */
export const GraphqlError = z.object({
  message: z.string().max(4096),
  path: z.array(z.union([z.string(), z.number()])).nullish(),
  extensions: z.object({ code: z.string().max(64).optional(), timestamp: z.string().max(64).optional() }).nullish(),
})
export type GraphqlError = z.infer<typeof GraphqlError>

function graphqlReply<Fields extends z.ZodRawShape>(zone: z.ZodObject<Fields>) {
  return z.object({
    data: z.object({ viewer: z.object({ zones: z.array(zone).max(10) }).nullable() }).nullable(),
    errors: z.array(GraphqlError).max(100).nullish(),
  })
}

const count = z.int().min(0)

/** A dataset's own bounds, in seconds, rows and fields: they limit how far back and how wide one query may read. */
export const DatasetSettings = z.object({
  enabled: z.boolean(),
  notOlderThan: z.int().min(0),
  maxDuration: z.int().min(1),
  maxPageSize: z.int().min(1),
  maxNumberOfFields: z.int().min(1),
})
export type DatasetSettings = z.infer<typeof DatasetSettings>

export const SettingsReply = graphqlReply(
  z.object({
    zoneTag: z.string(),
    settings: z.object({
      httpRequestsAdaptiveGroups: DatasetSettings,
      httpRequests1hGroups: DatasetSettings,
      httpRequests1dGroups: DatasetSettings,
    }),
  }),
)

export const MAX_PAGE_ROWS = 10_000

/** One hour of `httpRequestsAdaptiveGroups`: estimates from a sample; `sampleInterval` 1 means that every event counted. */
export const HourlyGroup = z.object({
  count,
  dimensions: z.object({ datetimeHour: z.iso.datetime() }),
  sum: z.object({ visits: count, edgeResponseBytes: count }),
  avg: z.object({ sampleInterval: z.number().min(1) }),
})
export type HourlyGroup = z.infer<typeof HourlyGroup>
export const HourlyReply = graphqlReply(z.object({ groups: z.array(HourlyGroup).max(MAX_PAGE_ROWS) }))

const StatusMap = z.array(z.object({ edgeResponseStatus: z.int().min(0).max(65_535), requests: count })).max(1000)
const rolledUp = { requests: count, bytes: count, cachedBytes: count, threats: count, responseStatusMap: StatusMap }

/** One hour of `httpRequests1hGroups`: a roll-up, not sampled. */
export const HourlyRollup = z.object({
  dimensions: z.object({ datetime: z.iso.datetime() }),
  sum: z.object(rolledUp).pick({ cachedBytes: true, threats: true, responseStatusMap: true }),
  uniq: z.object({ uniques: count }),
})
export type HourlyRollup = z.infer<typeof HourlyRollup>
export const HourlyRollupReply = graphqlReply(z.object({ groups: z.array(HourlyRollup).max(MAX_PAGE_ROWS) }))

/** More than there are countries. */
const MAX_COUNTRIES = 500
/** One UTC day of `httpRequests1dGroups`: a roll-up, not sampled. */
export const DailyGroup = z.object({
  dimensions: z.object({ date: z.iso.date() }),
  sum: z.object({
    ...rolledUp,
    countryMap: z.array(z.object({ clientCountryName: z.string().min(1).max(64), requests: count })).max(MAX_COUNTRIES),
  }),
  uniq: z.object({ uniques: count }),
})
export type DailyGroup = z.infer<typeof DailyGroup>
export const DailyReply = graphqlReply(z.object({ groups: z.array(DailyGroup).max(MAX_PAGE_ROWS) }))

/** One path of one day, or the day as a whole, of `httpRequestsAdaptiveGroups`. */
export const PathGroup = z.object({
  count,
  dimensions: z.object({ date: z.iso.date(), clientRequestPath: z.string().max(65_536).optional() }),
  avg: z.object({ sampleInterval: z.number().min(1) }),
})
export type PathGroup = z.infer<typeof PathGroup>
/** By the names that the query gives each day's two lists. */
export const PathsReply = graphqlReply(z.object({}).catchall(z.array(PathGroup).max(100)))
