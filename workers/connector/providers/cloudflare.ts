import { HISTORY_MS } from '../../../domain/backfill/retention.ts'
import { type DatasetSettings, MAX_PAGE_ROWS } from '../../../domain/providers/cloudflare/schemas.ts'
import type { RunReason } from '../../../domain/runs/words.ts'
import { CloudflareClient, ZONES_PER_QUERY, type ZoneSettings } from './cloudflare-client.ts'
import { DAILY, type Dataset, factsOf, HOURLY, HOURLY_ROLLUP, PATHS, topsOf } from './cloudflare-datasets.ts'
import { connectorOf, type RunEnd } from './connector.ts'
import {
  type DatasetName,
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
  type Plan,
  planWindows,
  readBefore,
  readWindows,
  silenceBelievedUntil,
  stepOf,
  type WindowedRows,
} from './window-reader.ts'

/** A run that takes longer ends as partial; the next one goes on from its cursors. */
const MAX_RUN_MS = 4 * 60_000

type Read = {
  readonly site: string
  readonly dataset: DatasetName
  readonly rows: number
  /** Windows that have ended were asked for, recent ones alone, and nothing came. */
  readonly silent: boolean
  /** Whether the zone's plan has it. */
  readonly enabled: boolean
  /** Why it was not read to its end; null when it was. */
  readonly reason: RunReason | null
}

const ZONE_FORBIDDEN = 'provider_zone_forbidden'

/** One run over all sites of a credential, each dataset from its own cursor: the figures of all before the breakdowns of any. */
export const pollCloudflare = connectorOf(async (access, sites, tools) => {
  const client = new CloudflareClient(access)
  const run = { client, tools, deadline: (await tools.clock()) + MAX_RUN_MS }
  const settings = await settingsOf(client, sites)
  const reads: Read[] = []
  for (const read of [
    readerOf(DAILY, run),
    readerOf(HOURLY, run),
    readerOf(HOURLY_ROLLUP, run),
    readerOf(PATHS, run),
  ]) {
    for (const site of sites) reads.push(await read(site, settings.get(site.providerRef)))
  }
  if (sites.length > 0 && reads.every(({ reason }) => reason === ZONE_FORBIDDEN)) {
    throw new ProviderFailure('provider_forbidden')
  }
  return judgeReads(reads)
})

type Run = { readonly client: CloudflareClient; readonly tools: RunTools; readonly deadline: number }

function readerOf<Row>(dataset: Dataset<Row>, run: Run) {
  return async (site: PolledSite, settings: ZoneSettings | undefined): Promise<Read> => {
    const unread = { site: site.id, dataset: dataset.name, rows: 0, silent: false, enabled: true }
    if (settings === undefined) return { ...unread, reason: ZONE_FORBIDDEN }
    try {
      return await readDataset(dataset, settings[dataset.node], site, run)
    } catch (error) {
      if (!(error instanceof ProviderFailure) || !isOfOneDataset(error, dataset)) throw error
      return { ...unread, reason: error.code }
    }
  }
}

const ANSWERS_NOT_TAKEN: ReadonlySet<string> = new Set([
  'provider_query_refused',
  'provider_reply_invalid',
  'provider_reply_too_large',
  'page_repeated',
])

/** A zone that is closed hides no other; and a breakdown that is not to be had spoils no figure, but the run is not whole. */
function isOfOneDataset<Row>({ code }: ProviderFailure, { waits }: Dataset<Row>): boolean {
  return code === ZONE_FORBIDDEN || (waits && ANSWERS_NOT_TAKEN.has(code))
}

/**
 * An empty or incomplete run is named as what it is: only a run that read every dataset to its end is `complete`, and only one in which
 * every answer was whole and without a row is `empty`.
 */
function judgeReads(reads: readonly Read[]): RunEnd {
  const cutShort = reads.find(({ reason }) => reason !== null)
  if (cutShort !== undefined) return { state: 'partial', reason: cutShort.reason }
  if (!reads.some(({ enabled }) => enabled)) return { state: 'partial', reason: 'dataset_unavailable' }
  if (rowsOf(reads) === 0) return { state: 'empty', reason: 'run_empty' }
  if (anyGroupSilent(reads, ({ dataset }) => dataset)) return { state: 'partial', reason: 'dataset_empty' }
  if (anyGroupSilent(reads, ({ site }) => site)) return { state: 'partial', reason: 'site_empty' }
  return { state: 'complete', reason: null }
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
  { client, tools, deadline }: Run,
): Promise<Read> {
  const { name, windowMs } = dataset
  const read = { site: site.id, dataset: name, silent: false, enabled: isInPlan(dataset, settings) }
  if (!read.enabled) return { ...read, rows: 0, reason: null }
  if (settings.maxNumberOfFields < dataset.fields) return { ...read, rows: 0, reason: 'dataset_fields_limited' }
  const now = await tools.clock()
  const cursor = site.cursors[name] ?? null
  const { chunks, endedUntil, completeUntil } = planWindows(boundsOf(dataset, settings), cursor, now)
  const asked = dataset.waits ? chunksUntil(chunks, completeUntil) : chunks
  const source = rowsOfZone(dataset, client, site)
  let count = 0
  for (const chunk of asked) {
    const fetchedAt = await tools.clock()
    if (fetchedAt > deadline) return { ...read, rows: count, reason: 'run_too_long' }
    const limit = pageLimit(settings)
    const rows = await readWindows(source, { ...chunk, expectedUntil: Math.min(chunk.to, endedUntil), limit })
    const last = rows.at(-1)
    const lastRowEnd = last === undefined ? undefined : dataset.beginOf(last) + windowMs
    await tools.store({
      siteId: site.id,
      dataset: name,
      ...storedOf(dataset, rows, completeUntil),
      completeUntil: cursorAfter(chunk, lastRowEnd, completeUntil, windowMs, now),
      ...(cursor === null && chunk === asked[0] ? { historyUntil: chunk.from } : {}),
      fetchedAt,
    })
    count += rows.length
  }
  const from = asked[0]?.from ?? completeUntil
  const silent = count === 0 && from < completeUntil && from > silenceBelievedUntil(windowMs, now)
  return { ...read, rows: count, silent, reason: null }
}

/** What is not in the zone's plan, or only in windows shorter than ours, is not waited for. */
function isInPlan<Row>({ windowMs }: Dataset<Row>, { enabled, maxDuration }: DatasetSettings): boolean {
  return enabled && maxDuration * 1000 >= windowMs
}

/** What has settled of the chunks: nothing of it changes any more. */
function chunksUntil(chunks: Plan['chunks'], until: number): Plan['chunks'] {
  return chunks.filter(({ from }) => from < until).map(({ from, to }) => ({ from, to: Math.min(to, until) }))
}

function storedOf<Row>(
  dataset: Dataset<Row>,
  rows: readonly Row[],
  completeUntil: number,
): Pick<Slice, 'facts' | 'tops'> {
  return {
    facts: rows.flatMap((row) => factsOf(dataset, row, completeUntil)),
    tops: rows.flatMap((row) => topsOf(dataset, row, completeUntil)),
  }
}

function boundsOf<Row>(
  { name, windowMs, settlingMs, maxWindows, recentMs }: Dataset<Row>,
  settings: DatasetSettings,
): DatasetBounds {
  return {
    windowMs,
    settlingMs,
    notOlderThanMs: Math.min(settings.notOlderThan * 1000, HISTORY_MS[name]),
    maxDurationMs: Math.min(settings.maxDuration * 1000, maxWindows * windowMs),
    recentMs,
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
  const readers = {
    hourly: historyOf(HOURLY, access, client),
    daily: historyOf(DAILY, access, client),
    hourly_rollup: historyOf(HOURLY_ROLLUP, access, client),
    paths: historyOf(PATHS, access, client),
  }
  return {
    oldest: async (site, name) => readers[name].oldest(await settingsFor(site)),
    readNewest: async (site, name, range) => readers[name].readSlice(await settingsFor(site), site, range),
  }
}

function historyOf<Row>(dataset: Dataset<Row>, { clock }: ProviderAccess, client: CloudflareClient) {
  const { node, windowMs, fields, proofWindows, settlingMs } = dataset
  const oldest = async ({ [node]: settings }: ZoneSettings): Promise<number> => {
    if (!isInPlan(dataset, settings) || settings.maxNumberOfFields < fields) return Number.POSITIVE_INFINITY
    return oldestWindow(boundsOf(dataset, settings), await clock())
  }
  const readSlice = async ({ [node]: settings }: ZoneSettings, site: PolledSite, range: Range): Promise<Slice> => {
    const fetchedAt = await clock()
    const step = stepOf(boundsOf(dataset, settings))
    const proofMs = Math.min(proofWindows * windowMs, step - windowMs)
    const now = Math.floor(fetchedAt / windowMs) * windowMs + windowMs
    const to = Math.min(Math.ceil(range.to / windowMs) * windowMs, now)
    const oldest = Math.ceil(range.from / windowMs) * windowMs
    const from = Math.max(oldest, to - step + proofMs)
    const knownUntil = Math.max(to, Math.min(to + proofMs, now))
    const limit = pageLimit(settings)
    const rows = await readBefore(rowsOfZone(dataset, client, site), { from, to, knownUntil, limit })
    const completeUntil = Math.floor((fetchedAt - settlingMs) / windowMs) * windowMs
    return { from: from === oldest ? range.from : from, ...storedOf(dataset, rows, completeUntil), fetchedAt }
  }
  return { oldest, readSlice }
}
