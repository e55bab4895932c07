import { HISTORY_MS } from '../../../domain/backfill/retention.ts'
import { METRICS, type MetricName } from '../../../domain/metrics/definitions.ts'
import {
  type DailyGroup,
  type DatasetSettings,
  type HourlyGroup,
  MAX_PAGE_ROWS,
} from '../../../domain/providers/cloudflare/schemas.ts'
import { CloudflareClient, ZONES_PER_QUERY, type ZoneSettings } from './cloudflare-client.ts'
import { connectorOf, type RunEnd } from './connector.ts'
import {
  type DatasetName,
  type Fact,
  type History,
  type PolledSite,
  type ProviderAccess,
  ProviderFailure,
  type Range,
  type RunTools,
  type Slice,
} from './provider.ts'
import {
  cursorAfter,
  type DatasetBounds,
  oldestWindow,
  planWindows,
  readBefore,
  readWindows,
  silenceBelievedUntil,
  stepOf,
  type WindowedRows,
} from './window-reader.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Events reach Cloudflare's datasets minutes late; a day's roll-up is built after its last hour. */
const SETTLING_MS: { readonly [Name in DatasetName]: number } = { hourly: 10 * 60_000, daily: 60 * 60_000 }
/** What is held in memory and written in one transaction. */
const MAX_CHUNK_WINDOWS = 400
/** A first poll's own part; the rest is history. */
const RECENT_MS: { readonly [Name in DatasetName]: number } = { hourly: 2 * DAY_MS, daily: 7 * DAY_MS }
/** A stretch that is known already proves what is read before it: long enough for a site with quiet nights. */
const PROOF_WINDOWS = 12
/** A run that takes longer ends as partial; the next one goes on from its cursors. */
const MAX_RUN_MS = 4 * 60_000

type Dataset<Row> = {
  readonly name: DatasetName
  readonly source: string
  readonly windowMs: number
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
}

const HOURLY: Dataset<HourlyGroup> = {
  name: 'hourly',
  source: 'cloudflare.httpRequestsAdaptiveGroups',
  windowMs: HOUR_MS,
  beginOf: ({ dimensions }) => Date.parse(dimensions.datetimeHour),
  ask: (client, ...range) => client.hourly(...range),
  samplingOf: ({ avg }) => avg.sampleInterval,
  values: ({ count, sum }) => [
    ['requests', count],
    ['visits', sum.visits],
    ['bytes', sum.edgeResponseBytes],
  ],
}

const DAILY: Dataset<DailyGroup> = {
  name: 'daily',
  source: 'cloudflare.httpRequests1dGroups',
  windowMs: DAY_MS,
  beginOf: ({ dimensions }) => Date.parse(dimensions.date),
  ask: (client, ...range) => client.daily(...range),
  samplingOf: () => 1,
  values: ({ sum, uniq }) => [
    ['requests', sum.requests],
    ['bytes', sum.bytes],
    ['cached_bytes', sum.cachedBytes],
    ['unique_visitors', uniq.uniques],
  ],
}

type Read = {
  readonly site: string
  readonly dataset: DatasetName
  readonly rows: number
  /** Windows that have ended were asked for, recent ones alone, and nothing came. */
  readonly silent: boolean
  /** Why it was not read to its end; null when it was. */
  readonly reason: string | null
}

const ZONE_FORBIDDEN = 'provider_zone_forbidden'

function forbidden({ id }: PolledSite, dataset: DatasetName): Read {
  return { site: id, dataset, rows: 0, silent: false, reason: ZONE_FORBIDDEN }
}

/** One run over all sites of a credential: hourly and daily traffic, each from its own cursor. */
export const pollCloudflare = connectorOf(async (access, sites, tools) => {
  const client = new CloudflareClient(access)
  const deadline = (await tools.clock()) + MAX_RUN_MS
  const reads: Read[] = []
  const settings = await settingsOf(client, sites)
  for (const site of sites) {
    const own = settings.get(site.providerRef)
    if (own === undefined) {
      reads.push(forbidden(site, 'daily'))
      continue
    }
    const daily = await unlessForbidden(() => readDataset(DAILY, own.daily, site, client, tools, deadline))
    const hourly = await unlessForbidden(() => readDataset(HOURLY, own.hourly, site, client, tools, deadline))
    reads.push(daily ?? forbidden(site, 'daily'), hourly ?? forbidden(site, 'hourly'))
  }
  if (sites.length > 0 && reads.every(({ reason }) => reason === ZONE_FORBIDDEN)) {
    throw new ProviderFailure('provider_forbidden')
  }
  return judgeReads(reads)
})

/** An empty or incomplete run is named as what it is: only a run that read every dataset to its end is `ok`. */
function judgeReads(reads: readonly Read[]): RunEnd {
  if (rowsOf(reads) === 0) return { outcome: 'empty', reason: 'run_empty' }
  const cutShort = reads.find(({ reason }) => reason !== null)
  if (cutShort !== undefined) return { outcome: 'partial', reason: cutShort.reason }
  if (anyGroupSilent(reads, ({ dataset }) => dataset)) return { outcome: 'partial', reason: 'dataset_empty' }
  if (anyGroupSilent(reads, ({ site }) => site)) return { outcome: 'partial', reason: 'site_empty' }
  return { outcome: 'ok', reason: null }
}

/** One quiet site in one dataset is everyday; a dataset without any row of any site, or a site without any row, is not. */
function anyGroupSilent(reads: readonly Read[], groupOf: (read: Read) => string): boolean {
  const groups = Object.values(Object.groupBy(reads, groupOf))
  return groups.some((group = []) => rowsOf(group) === 0 && group.some(({ silent }) => silent))
}

function rowsOf(reads: readonly Read[]): number {
  return reads.reduce((total, { rows }) => total + rows, 0)
}

/** Each zone's own bounds. One zone that the token has lost must not hide those of the others. */
async function settingsOf(
  client: CloudflareClient,
  sites: readonly PolledSite[],
): Promise<ReadonlyMap<string, ZoneSettings>> {
  const found = new Map<string, ZoneSettings>()
  for (let first = 0; first < sites.length; first += ZONES_PER_QUERY) {
    const zones = sites.slice(first, first + ZONES_PER_QUERY).map(({ providerRef }) => providerRef)
    const together = await unlessForbidden(() => client.settings(zones))
    const answers = together === undefined ? zones.map((zone) => () => client.settings([zone])) : [async () => together]
    for (const answer of answers) {
      for (const [zone, settings] of (await unlessForbidden(answer)) ?? []) found.set(zone, settings)
    }
  }
  return found
}

async function unlessForbidden<Value>(call: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof ProviderFailure && error.code === ZONE_FORBIDDEN) return undefined
    throw error
  }
}

async function readDataset<Row>(
  dataset: Dataset<Row>,
  settings: DatasetSettings,
  site: PolledSite,
  client: CloudflareClient,
  tools: RunTools,
  deadline: number,
): Promise<Read> {
  const read = { site: site.id, dataset: dataset.name, silent: false }
  // Not in the zone's plan: there is nothing to wait for.
  if (!settings.enabled) return { ...read, rows: 0, reason: null }
  const { windowMs } = dataset
  const now = await tools.clock()
  const cursor = site.cursors[dataset.name]
  const { chunks, endedUntil, completeUntil } = planWindows(boundsOf(dataset, settings), cursor, now)
  const source = rowsOfZone(dataset, client, site)
  let count = 0
  for (const chunk of chunks) {
    const fetchedAt = await tools.clock()
    if (fetchedAt > deadline) return { ...read, rows: count, reason: 'run_too_long' }
    const limit = pageLimit(settings)
    const rows = await readWindows(source, { ...chunk, expectedUntil: Math.min(chunk.to, endedUntil), limit })
    const last = rows.at(-1)
    const lastRowEnd = last === undefined ? undefined : dataset.beginOf(last) + windowMs
    await tools.store({
      siteId: site.id,
      dataset: dataset.name,
      facts: rows.flatMap((row) => factsOf(dataset, row, completeUntil)),
      completeUntil: cursorAfter(chunk, lastRowEnd, completeUntil, windowMs, now),
      ...(cursor === null && chunk === chunks[0] ? { historyUntil: chunk.from } : {}),
      fetchedAt,
    })
    count += rows.length
  }
  const from = chunks[0]?.from ?? completeUntil
  const silent = count === 0 && from < completeUntil && from > silenceBelievedUntil(windowMs, now)
  return { ...read, rows: count, silent, reason: null }
}

function boundsOf<Row>({ name, windowMs }: Dataset<Row>, settings: DatasetSettings): DatasetBounds {
  return {
    windowMs,
    settlingMs: SETTLING_MS[name],
    notOlderThanMs: Math.min(settings.notOlderThan * 1000, HISTORY_MS[name]),
    maxDurationMs: Math.min(settings.maxDuration * 1000, MAX_CHUNK_WINDOWS * windowMs),
    recentMs: RECENT_MS[name],
  }
}

function rowsOfZone<Row>(
  { windowMs, beginOf, ask }: Dataset<Row>,
  client: CloudflareClient,
  { providerRef }: PolledSite,
): WindowedRows<Row> {
  return { windowMs, beginOf, ask: (from, to, limit) => ask(client, providerRef, from, to, limit) }
}

function pageLimit({ maxPageSize }: DatasetSettings): number {
  return Math.min(maxPageSize, MAX_PAGE_ROWS)
}

/** Each zone's own bounds are asked for once a job, ten zones together. */
export function cloudflareHistory(access: ProviderAccess, sites: readonly PolledSite[]): History {
  const client = new CloudflareClient(access)
  const known = new Map<string, ZoneSettings>()
  const settingsFor = async (site: PolledSite) => {
    if (!known.has(site.providerRef)) {
      const first = Math.floor(sites.findIndex(({ id }) => id === site.id) / ZONES_PER_QUERY) * ZONES_PER_QUERY
      for (const [zone, own] of await settingsOf(client, sites.slice(first, first + ZONES_PER_QUERY)))
        known.set(zone, own)
    }
    const own = known.get(site.providerRef)
    if (own === undefined) throw new ProviderFailure(ZONE_FORBIDDEN)
    return own
  }
  return {
    oldest: async (site, name) => {
      const [{ [name]: settings }, now] = [await settingsFor(site), await access.clock()]
      if (!settings.enabled) return Number.POSITIVE_INFINITY
      return oldestWindow(name === 'hourly' ? boundsOf(HOURLY, settings) : boundsOf(DAILY, settings), now)
    },
    readNewest: async (site, name, range) => {
      const { [name]: settings } = await settingsFor(site)
      const slice = { client, clock: access.clock, settings, site, range }
      return name === 'hourly' ? readSlice(HOURLY, slice) : readSlice(DAILY, slice)
    },
  }
}

async function readSlice<Row>(
  dataset: Dataset<Row>,
  {
    client,
    clock,
    settings,
    site,
    range,
  }: {
    readonly client: CloudflareClient
    readonly clock: () => Promise<number>
    readonly settings: DatasetSettings
    readonly site: PolledSite
    readonly range: Range
  },
): Promise<Slice> {
  const { windowMs } = dataset
  const fetchedAt = await clock()
  const step = stepOf(boundsOf(dataset, settings))
  const proofMs = Math.min(PROOF_WINDOWS * windowMs, step - windowMs)
  const now = Math.floor(fetchedAt / windowMs) * windowMs + windowMs
  const to = Math.min(Math.ceil(range.to / windowMs) * windowMs, now)
  const oldest = Math.ceil(range.from / windowMs) * windowMs
  const from = Math.max(oldest, to - step + proofMs)
  const knownUntil = Math.max(to, Math.min(to + proofMs, now))
  const rows = await readBefore(rowsOfZone(dataset, client, site), { from, to, knownUntil, limit: pageLimit(settings) })
  const completeUntil = Math.floor((fetchedAt - SETTLING_MS[dataset.name]) / windowMs) * windowMs
  const facts = rows.flatMap((row) => factsOf(dataset, row, completeUntil))
  return { from: from === oldest ? range.from : from, facts, fetchedAt }
}

function factsOf<Row>(dataset: Dataset<Row>, row: Row, completeUntil: number): Fact[] {
  const windowStart = dataset.beginOf(row)
  const windowEnd = windowStart + dataset.windowMs
  return dataset.values(row).map(([metric, value]) => ({
    metric,
    unit: METRICS[metric].unit,
    currency: null,
    windowStart,
    windowEnd,
    value,
    source: dataset.source,
    sampling: dataset.samplingOf(row),
    completeness: windowEnd <= completeUntil ? 'complete' : 'partial',
  }))
}
