import { type DatasetSettings, MAX_PAGE_ROWS } from '../../../domain/providers/cloudflare/schemas.ts'
import { CloudflareClient, ZONES_PER_QUERY, type ZoneSettings } from './cloudflare-client.ts'
import { DAILY, type Dataset, factsOf, HOURLY, HOURLY_ROLLUP, PATHS, topsOf } from './cloudflare-datasets.ts'
import { DAY_MS } from './cloudflare-paths.ts'
import { connectorOf, type RunEnd } from './connector.ts'
import { type PolledSite, ProviderFailure, type RunTools } from './provider.ts'
import {
  cursorAfter,
  type Plan,
  planWindows,
  readWindows,
  silenceBelievedUntil,
  type WindowedRows,
} from './window-reader.ts'

/** Facts have partitions for 25 months back, whatever an enterprise plan would give. */
const MAX_BACKFILL_MS = 730 * DAY_MS
/** A run that takes longer ends as partial; the next one goes on from its cursors. */
const MAX_RUN_MS = 4 * 60_000

type Read = {
  readonly site: string
  readonly dataset: Dataset<never>['name']
  readonly rows: number
  /** Windows that have ended were asked for, recent ones alone, and nothing came. */
  readonly silent: boolean
  /** Why it was not read to its end; null when it was. */
  readonly reason: string | null
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
    const read = settings && (await unlessForbidden(() => readDataset(dataset, settings[dataset.node], site, run)))
    return read ?? { site: site.id, dataset: dataset.name, rows: 0, silent: false, reason: ZONE_FORBIDDEN }
  }
}

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
  { client, tools, deadline }: Run,
): Promise<Read> {
  const { name, windowMs } = dataset
  const read = { site: site.id, dataset: name, silent: false }
  // Not in the zone's plan, or only in windows shorter than ours: there is nothing to wait for.
  if (!settings.enabled || settings.maxDuration * 1000 < windowMs) return { ...read, rows: 0, reason: null }
  if (settings.maxNumberOfFields < dataset.fields) return { ...read, rows: 0, reason: 'dataset_fields_limited' }
  const now = await tools.clock()
  const bounds = {
    windowMs,
    settlingMs: dataset.settlingMs,
    notOlderThanMs: Math.min(settings.notOlderThan * 1000, MAX_BACKFILL_MS),
    maxDurationMs: Math.min(settings.maxDuration * 1000, dataset.maxWindows * windowMs),
  }
  const { chunks, endedUntil, completeUntil } = planWindows(bounds, site.cursors[name] ?? null, now)
  const source: WindowedRows<Row> = {
    windowMs,
    beginOf: dataset.beginOf,
    ask: (from, to, limit) => dataset.ask(client, site.providerRef, from, to, limit),
  }
  const asked = dataset.waits ? chunksUntil(chunks, completeUntil) : chunks
  let count = 0
  for (const chunk of asked) {
    const fetchedAt = await tools.clock()
    if (fetchedAt > deadline) return { ...read, rows: count, reason: 'run_too_long' }
    const limit = Math.min(settings.maxPageSize, MAX_PAGE_ROWS)
    const rows = await readWindows(source, { ...chunk, expectedUntil: Math.min(chunk.to, endedUntil), limit })
    const last = rows.at(-1)
    const lastRowEnd = last === undefined ? undefined : dataset.beginOf(last) + windowMs
    await tools.store({
      siteId: site.id,
      dataset: name,
      facts: rows.flatMap((row) => factsOf(dataset, row, completeUntil)),
      tops: rows.flatMap((row) => topsOf(dataset, row, completeUntil)),
      completeUntil: cursorAfter(chunk, lastRowEnd, completeUntil, windowMs, now),
      fetchedAt,
    })
    count += rows.length
  }
  const from = asked[0]?.from ?? completeUntil
  const silent = count === 0 && from < completeUntil && from > silenceBelievedUntil(windowMs, now)
  return { ...read, rows: count, silent, reason: null }
}

/** What has settled of the chunks: nothing of it changes any more. */
function chunksUntil(chunks: Plan['chunks'], until: number): Plan['chunks'] {
  return chunks.filter(({ from }) => from < until).map(({ from, to }) => ({ from, to: Math.min(to, until) }))
}
