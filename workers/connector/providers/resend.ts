import { HISTORY_MS } from '../../../domain/backfill/retention.ts'
import { METRICS, type MetricName } from '../../../domain/metrics/definitions.ts'
import {
  type DayCounts,
  type DayRow,
  type Domain,
  EVENT_COUNTS,
  type EventCount,
  MAX_METRICS_DOMAINS,
  MAX_METRICS_ROWS,
  VERIFIED,
} from '../../../domain/providers/resend/schemas.ts'
import type { RunReason } from '../../../domain/runs/words.ts'
import { connectorOf } from './connector.ts'
import {
  type Fact,
  type History,
  type PolledSite,
  type ProviderAccess,
  ProviderFailure,
  type Range,
  type RunTools,
  type Slice,
} from './provider.ts'
import { ResendClient } from './resend-client.ts'
import { storeRecords } from './resend-records.ts'
import { type DatasetBounds, oldestWindow, planWindows } from './window-reader.ts'

const DAY_MS = 86_400_000
/** A mail of Monday may bounce, or be complained about, on Wednesday: a day is read again until it is three days old. */
const SETTLING_MS = 3 * DAY_MS
/** A first poll's own part, which every plan keeps; the rest is history. Of older days it is asked first which of them are kept. */
const RECENT_MS = 7 * DAY_MS
/** What one transaction of a history stores. */
const MOST_DAYS = 180
/** A run that takes longer ends as partial; the next one goes on from its cursors. */
const MAX_RUN_MS = 4 * 60_000

const METRIC_OF: { readonly [Count in EventCount]: MetricName } = {
  sent: 'emails_sent',
  delivered: 'emails_delivered',
  delivery_delayed: 'emails_delayed',
  bounced: 'emails_bounced',
  complained: 'emails_complained',
  suppressed: 'emails_suppressed',
}

type Run = {
  readonly client: ResendClient
  readonly domains: Domains
  /** When the domains were listed. */
  readonly listedAt: number
  readonly sites: readonly PolledSite[]
  readonly tools: RunTools
  readonly deadline: number
}
/** `reason`: why it was not read to its end; null when it was. */
type Read = { readonly mails: number; readonly reason: RunReason | null }

/** One run over all domains of a team: whether their records still verify, and what became of their mail, by UTC day. */
export const pollResend = connectorOf(async (access, sites, tools) => {
  const client = new ResendClient(access)
  const listedAt = await tools.clock()
  const domains = await client.domains()
  const run: Run = { client, domains, listedAt, sites, tools, deadline: (await tools.clock()) + MAX_RUN_MS }
  const read = await readDays(run)
  const records = await readRecords(run)
  const missing = sites.every(isListedIn(domains)) ? null : 'site_missing'
  const reason = read.reason ?? records ?? missing
  if (reason !== null) return { state: 'partial', reason }
  return read.mails === 0 ? { state: 'empty', reason: 'run_empty' } : { state: 'complete', reason: null }
})

type Domains = ReadonlyMap<string, Domain>

function isListedIn(domains: Domains): (site: PolledSite) => boolean {
  return ({ providerRef }) => domains.has(providerRef)
}

/** Sites are asked about together, from the cursor that is furthest behind: one question then serves a whole team. */
async function readDays(run: Run): Promise<Read> {
  let mails = 0
  for (let first = 0; first < run.sites.length; first += MAX_METRICS_DOMAINS) {
    const read = await readGroup(run, run.sites.slice(first, first + MAX_METRICS_DOMAINS))
    mails += read.mails
    if (read.reason !== null) return { mails, reason: read.reason }
  }
  return { mails, reason: null }
}

async function readGroup(run: Run, sites: readonly PolledSite[]): Promise<Read> {
  const { client, domains, tools, deadline } = run
  const listed = sites.filter(isListedIn(domains))
  if (listed.length === 0) return { mails: 0, reason: null }
  const now = await tools.clock()
  const { chunks, completeUntil } = planWindows(boundsOf(sites.length), await startOf(client, listed, now), now)
  let mails = 0
  for (const { from, to } of chunks) {
    const fetchedAt = await tools.clock()
    if (fetchedAt > deadline) return { mails, reason: 'run_too_long' }
    const { ids, reply } = await countsOf(run, sites, { from, to }, fetchedAt)
    const isWhole = isWholeReply(reply)
    const settled = isWhole ? completeUntil : from
    const rows = judgeRows(reply, ids, from, to)
    for (const { id: siteId, providerRef, cursors } of listed) {
      const own = factsOfDays({ rows, isWhole, domain: domains.get(providerRef), providerRef, settled }, { from, to })
      const completeUntil = settled > from ? Math.min(to, settled) : null
      const historyUntil = cursors.daily === null && from === chunks[0]?.from ? { historyUntil: from } : {}
      await tools.store({ siteId, dataset: 'daily', facts: own, completeUntil, ...historyUntil, fetchedAt })
    }
    mails += reply.totals.sent + reply.totals.suppressed
    // Its own totals speak of mail that its rows leave out: the days are asked for again, and none is called complete.
    if (!isWhole) return { mails, reason: 'rows_incomplete' }
  }
  return { mails, reason: null }
}

const REFUSED_QUERY: ReadonlySet<string> = new Set(['provider_query_refused', 'provider_reply_invalid'])

/**
 * Of all domains, listed or not: the answer does not say which it is about, so that one for fewer, served again, would be days without mail
 * for the others. Where Resend refuses to count for one that is gone, those that are listed are asked about alone.
 */
async function countsOf(
  { client, domains }: Run,
  sites: readonly PolledSite[],
  range: Range,
  now: number,
): Promise<{ readonly ids: readonly string[]; readonly reply: DayCounts }> {
  const ids = sites.map(({ providerRef }) => providerRef)
  const listed = ids.filter((id) => domains.has(id))
  try {
    return { ids, reply: await client.dayCounts(ids, range, now) }
  } catch (error) {
    const isRefused = error instanceof ProviderFailure && REFUSED_QUERY.has(error.code)
    if (!isRefused || listed.length === ids.length) throw error
    return { ids: listed, reply: await client.dayCounts(listed, range, now) }
  }
}

function boundsOf(sites: number): DatasetBounds {
  return {
    windowMs: DAY_MS,
    settlingMs: SETTLING_MS,
    notOlderThanMs: HISTORY_MS.daily,
    maxDurationMs: Math.floor(MAX_METRICS_ROWS / sites) * DAY_MS,
    recentMs: RECENT_MS,
  }
}

function isWholeReply({ data, totals }: DayCounts): boolean {
  return EVENT_COUNTS.every((name) => totals[name] === sum(data.map((row) => row[name])))
}

type DomainDays = {
  readonly rows: ReadonlyMap<string, Counts>
  readonly isWhole: boolean
  readonly domain: Domain | undefined
  readonly providerRef: string
  /** Days that end by then are complete. */
  readonly settled: number
}

function factsOfDays({ rows, isWhole, domain, providerRef, settled }: DomainDays, { from, to }: Range): Fact[] {
  const born = Date.parse(domain?.created_at ?? '')
  return daysOf(from, to).flatMap((day) => {
    const row = rows.get(keyOf(providerRef, day))
    // Totals that its rows add up to leave nothing for a day without a row: no mail was sent on it.
    const counts = row ?? (isWhole && day >= born ? NO_MAIL : undefined)
    return counts === undefined ? [] : factsOf(counts, day, settled)
  })
}

/** What became of each domain's mail. Which days the team's plan keeps, and which domains it has, is asked once a job. */
export function resendHistory(access: ProviderAccess): History {
  const client = new ResendClient(access)
  let kept: Promise<number> | undefined
  let domains: Promise<Domains> | undefined
  return {
    oldest: async () => {
      const now = await access.clock()
      kept ??= client.oldestDay(oldestWindow(boundsOf(1), now), now)
      return await kept
    },
    readNewest: async ({ providerRef }, _, range) => {
      domains ??= client.domains()
      const domain = (await domains).get(providerRef)
      if (domain === undefined) throw new ProviderFailure('site_missing')
      return readSlice(client, await access.clock(), domain, range)
    },
  }
}

async function readSlice(client: ResendClient, fetchedAt: number, domain: Domain, range: Range): Promise<Slice> {
  const to = Math.ceil(range.to / DAY_MS) * DAY_MS
  const oldest = Math.floor(range.from / DAY_MS) * DAY_MS
  const from = Math.max(oldest, to - boundsOf(1).maxDurationMs, to - MOST_DAYS * DAY_MS)
  const reply = await client.dayCounts([domain.id], { from, to }, fetchedAt)
  // Its own totals speak of mail that its rows leave out.
  if (!isWholeReply(reply)) throw new ProviderFailure('provider_reply_invalid')
  const rows = judgeRows(reply, [domain.id], from, to)
  const settled = Math.floor((fetchedAt - SETTLING_MS) / DAY_MS) * DAY_MS
  const facts = factsOfDays({ rows, isWhole: true, domain, providerRef: domain.id, settled }, { from, to })
  return { from: Math.max(from, range.from), facts, fetchedAt }
}

function daysOf(from: number, to: number): number[] {
  return Array.from({ length: (to - from) / DAY_MS }, (_, index) => from + index * DAY_MS)
}

async function startOf(client: ResendClient, sites: readonly PolledSite[], now: number): Promise<number> {
  const recent = Math.ceil((now - RECENT_MS) / DAY_MS) * DAY_MS
  const from = Math.max(
    oldestWindow(boundsOf(1), now),
    Math.min(...sites.map(({ cursors }) => cursors.daily ?? recent)),
  )
  return from >= recent ? from : client.oldestDay(from, now)
}

type Counts = Pick<DayRow, EventCount>
const NO_MAIL: Counts = { sent: 0, delivered: 0, delivery_delayed: 0, bounced: 0, complained: 0, suppressed: 0 }

function keyOf(domainId: string, day: number): string {
  return `${domainId} ${day}`
}

/** Rows by domain and day; one that was not asked for, or comes twice, makes the whole answer one that is not believed. */
function judgeRows(
  { data }: DayCounts,
  domainIds: readonly string[],
  from: number,
  to: number,
): ReadonlyMap<string, Counts> {
  const rows = new Map<string, Counts>()
  for (const row of data) {
    const day = Date.parse(row.period)
    if (!domainIds.includes(row.domain_id) || day < from || day >= to) {
      throw new ProviderFailure('provider_reply_invalid')
    }
    const key = keyOf(row.domain_id, day)
    if (rows.has(key)) throw new ProviderFailure('page_repeated')
    rows.set(key, row)
  }
  return rows
}

function factsOf(counts: Counts, day: number, completeUntil: number): Fact[] {
  const completeness = day + DAY_MS <= completeUntil ? 'complete' : 'partial'
  return EVENT_COUNTS.map((name) => ({
    ...factOf(METRIC_OF[name], counts[name], day),
    source: 'resend.emails.metrics',
    completeness,
  }))
}

/** What its records say today: a figure of the state, read anew with each run, and left as the day's last word. */
async function readRecords(run: Run): Promise<RunReason | null> {
  const { client, domains, listedAt, sites, tools, deadline } = run
  for (const site of sites.filter(isListedIn(domains))) {
    const now = await tools.clock()
    if (now > deadline) return 'run_too_long'
    const { providerRef } = site
    // A verified domain has all its records, as of the list; only of another is it asked which one is wrong.
    const isVerified = domains.get(providerRef)?.status === VERIFIED
    const records = isVerified ? [] : (await client.domain(providerRef)).records
    await storeRecords(tools, site, records, isVerified ? listedAt : now)
  }
  return null
}

function factOf(metric: MetricName, value: number, windowStart: number): Omit<Fact, 'source' | 'completeness'> {
  const windowEnd = windowStart + DAY_MS
  return { metric, unit: METRICS[metric].unit, currency: null, windowStart, windowEnd, value, sampling: 1 }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
