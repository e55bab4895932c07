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
import { type Fact, type PolledSite, ProviderFailure, type RunTools } from './provider.ts'
import { ResendClient } from './resend-client.ts'
import { planWindows } from './window-reader.ts'

const DAY_MS = 86_400_000
/** A mail of Monday may bounce, or be complained about, on Wednesday: a day is read again until it is three days old. */
const SETTLING_MS = 3 * DAY_MS
/** Facts have partitions for 25 months back, whatever a plan would give. */
const MAX_BACKFILL_MS = 730 * DAY_MS
/** Days as old as these may lie before what the team's plan keeps, which is asked for first. */
const SURELY_KEPT_MS = 7 * DAY_MS
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

/** Resend tells of these two; DMARC is the domain's own policy and none of its records. */
const RECORDS = [
  { record: 'SPF', metric: 'spf_unverified' },
  { record: 'DKIM', metric: 'dkim_unverified' },
] as const satisfies readonly { readonly record: string; readonly metric: MetricName }[]

type Run = {
  readonly client: ResendClient
  readonly domains: ReadonlyMap<string, Domain>
  readonly sites: readonly PolledSite[]
  readonly tools: RunTools
  readonly deadline: number
}
/** `reason`: why it was not read to its end; null when it was. */
type Read = { readonly mails: number; readonly reason: RunReason | null }

/** One run over all domains of a team: whether their records still verify, and what became of their mail, by UTC day. */
export const pollResend = connectorOf(async (access, sites, tools) => {
  const client = new ResendClient(access)
  const domains = await client.domains()
  const present = sites.filter(({ providerRef }) => domains.has(providerRef))
  const run: Run = { client, domains, sites: present, tools, deadline: (await tools.clock()) + MAX_RUN_MS }
  const read = await readDays(run)
  const records = await readRecords(run)
  const missing = present.length < sites.length ? 'site_missing' : null
  const reason = read.reason ?? records ?? missing
  if (reason !== null) return { state: 'partial', reason }
  return read.mails === 0 ? { state: 'empty', reason: 'run_empty' } : { state: 'complete', reason: null }
})

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
  const now = await tools.clock()
  const bounds = {
    windowMs: DAY_MS,
    settlingMs: SETTLING_MS,
    notOlderThanMs: MAX_BACKFILL_MS,
    maxDurationMs: Math.floor(MAX_METRICS_ROWS / sites.length) * DAY_MS,
  }
  const { chunks, completeUntil } = planWindows(bounds, await startOf(client, sites, now), now)
  const ids = sites.map(({ providerRef }) => providerRef)
  let mails = 0
  for (const { from, to } of chunks) {
    const fetchedAt = await tools.clock()
    if (fetchedAt > deadline) return { mails, reason: 'run_too_long' }
    const reply = await client.dayCounts(ids, from, to)
    const rows = judgeRows(reply, ids, from, to)
    const isWhole = EVENT_COUNTS.every((name) => reply.totals[name] === sum(reply.data.map((row) => row[name])))
    const settled = isWhole ? completeUntil : from
    for (const { id: siteId, providerRef } of sites) {
      const born = Date.parse(domains.get(providerRef)?.created_at ?? '')
      const own = daysOf(from, to).flatMap((day) => {
        const row = rows.get(keyOf(providerRef, day))
        // Totals that its rows add up to leave nothing for a day without a row: no mail was sent on it.
        const counts = row ?? (isWhole && day >= born ? NO_MAIL : undefined)
        return counts === undefined ? [] : factsOf(counts, day, settled)
      })
      const moved = settled > from ? Math.min(to, settled) : null
      await tools.store({ siteId, dataset: 'daily', facts: own, completeUntil: moved, fetchedAt })
    }
    mails += reply.totals.sent + reply.totals.suppressed
    // Its own totals speak of mail that its rows leave out: the days are asked for again, and none is called complete.
    if (!isWhole) return { mails, reason: 'rows_incomplete' }
  }
  return { mails, reason: null }
}

function daysOf(from: number, to: number): number[] {
  return Array.from({ length: (to - from) / DAY_MS }, (_, index) => from + index * DAY_MS)
}

/** Null where the oldest day that can be asked for is the answer. */
async function startOf(client: ResendClient, sites: readonly PolledSite[], now: number): Promise<number | null> {
  const oldest = Math.ceil((now - MAX_BACKFILL_MS) / DAY_MS) * DAY_MS + DAY_MS
  const from = Math.max(oldest, Math.min(...sites.map(({ cursors }) => cursors.daily ?? oldest)))
  return from > now - SURELY_KEPT_MS ? from : client.oldestDay(from, now)
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
async function readRecords({ client, domains, sites, tools, deadline }: Run): Promise<RunReason | null> {
  for (const { id: siteId, providerRef } of sites) {
    const fetchedAt = await tools.clock()
    if (fetchedAt > deadline) return 'run_too_long'
    // A verified domain has all its records; only of another is it asked which one is wrong.
    const isVerified = domains.get(providerRef)?.status === VERIFIED
    const records = isVerified ? [] : (await client.domain(providerRef)).records
    const today = Math.floor(fetchedAt / DAY_MS) * DAY_MS
    const facts = RECORDS.map(({ record, metric }): Fact => {
      const unverified = records.filter((own) => own.record === record && own.status !== VERIFIED)
      return { ...factOf(metric, unverified.length, today), source: 'resend.domains', completeness: 'complete' }
    })
    await tools.store({ siteId, dataset: 'daily', facts, completeUntil: null, fetchedAt })
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
