import { HISTORY_MS } from '../../../domain/backfill/retention.ts'
import { type Day, dayOf, daysBetween } from '../../../domain/calendar/days.ts'
import { METRICS } from '../../../domain/metrics/definitions.ts'
import {
  addTransaction,
  inMinorUnits,
  metricsOfRevenue,
  NO_REVENUE,
  type Revenue,
} from '../../../domain/providers/stripe/revenue.ts'
import type { RunReason } from '../../../domain/runs/words.ts'
import { connectorOf, type RunEnd } from './connector.ts'
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
import { StripeClient } from './stripe-client.ts'
import { readSubscriptions } from './stripe-subscriptions.ts'

const DAY_MS = 24 * 3_600_000
const SOURCE = 'stripe.balance_transactions'
/** A transaction may be listed some minutes after it was made. */
const SETTLING_MS = 60 * 60_000
/** A first poll's own part; the rest is history. */
const RECENT_MS = 7 * DAY_MS
/** What one transaction of ours stores: fewer days for an account that sells more. */
const MOST_DAYS = 31
/** 5,000 transactions in memory, and well within what a Worker may ask for. */
const MOST_PAGES = 50
/** Nothing read so far proves that nothing came before, and the rest of the history hangs on it. */
const TRIES_OF_A_BEGINNING = 6
/** A run that takes longer ends as partial; the next one goes on from its cursors. */
const MAX_RUN_MS = 4 * 60_000

/** One run over the accounts of a key, which is one: from its cursor on, day by day of its own time zone. */
export const pollStripe = connectorOf(async (access, sites, tools) => {
  const deadline = (await tools.clock()) + MAX_RUN_MS
  const client = new StripeClient(access)
  const reasons: (RunReason | null)[] = []
  for (const site of sites) {
    // First, since it takes a few calls where a first run over the transactions may take all its time.
    const subscriptions = await readSubscriptions(client, site, tools, deadline)
    const account = await readAccount(client, site, tools, deadline)
    reasons.push(subscriptions ?? account)
  }
  return judge(reasons)
})

const EMPTY = 'run_empty'

function judge(reasons: readonly (RunReason | null)[]): RunEnd {
  const cutShort = reasons.find((reason) => reason !== null && reason !== EMPTY)
  if (cutShort !== undefined) return { state: 'partial', reason: cutShort }
  return reasons.includes(null) ? { state: 'complete', reason: null } : { state: 'empty', reason: EMPTY }
}

/** Null when it was read to now; else why not. */
async function readAccount(
  client: StripeClient,
  site: PolledSite,
  tools: RunTools,
  deadline: number,
): Promise<RunReason | null> {
  const now = await tools.clock()
  const cursor = site.cursors.daily
  const days = daysBetween(site.timeZone, Math.max(cursor ?? now - RECENT_MS, oldestDay(site, now)), now)
  let historyUntil = cursor === null ? days[0]?.from : undefined
  const currencies = new Set(site.currencies)
  let most = MOST_DAYS
  while (days.length > 0) {
    const fetchedAt = await tools.clock()
    if (fetchedAt > deadline) return 'run_too_long'
    const some = days.slice(0, most)
    const read = await readDays(client, some, { deadline, clock: tools.clock })
    if (read === 'run_too_long') return read
    if (read === 'too_many') {
      most = Math.max(1, Math.floor(some.length / 4))
      continue
    }
    for (const currency of read.currencies) currencies.add(currency)
    if (read.currencies.size === 0) await proveSilence(client, some, currencies)
    await tools.store({
      siteId: site.id,
      dataset: 'daily',
      facts: some.flatMap((day) => factsOf(day, read.revenue.get(day.from), currencies, fetchedAt)),
      // An account that never had a transaction is looked through from its first poll on each time.
      completeUntil: currencies.size === 0 ? null : (some.findLast((day) => isOver(day, fetchedAt))?.to ?? null),
      ...(historyUntil === undefined ? {} : { historyUntil }),
      fetchedAt,
    })
    historyUntil = undefined
    days.splice(0, some.length)
    if (read.pages < MOST_PAGES / 8) most = Math.min(MOST_DAYS, most * 2)
  }
  return currencies.size === 0 ? EMPTY : null
}

function oldestDay({ timeZone }: PolledSite, now: number): number {
  return dayOf(timeZone, now - HISTORY_MS.daily).to
}

/** A key is of one account. How many days make a slice depends on what the account sells: half as many until they are few enough. */
export function stripeHistory(access: ProviderAccess): History {
  const client = new StripeClient(access)
  const currencies = new Set<string>()
  let most = MOST_DAYS
  return {
    oldest: async (site) => oldestDay(site, await access.clock()),
    readNewest: async (site, _, range) => {
      for (const known of site.currencies) currencies.add(known)
      for (;;) {
        const slice = await readSlice(client, access.clock, newestDays(site, range, most), currencies)
        if (slice !== 'too_many') return { ...slice, from: Math.max(slice.from, range.from) }
        most = Math.max(1, Math.floor(most / 4))
      }
    },
  }
}

/** Whole days that end with the range, the oldest first. */
function newestDays({ timeZone }: PolledSite, { from, to }: Range, most: number): Day[] {
  const days = [dayOf(timeZone, to - 1)]
  for (let [first] = days; first !== undefined && first.from > from && days.length < most; [first] = days) {
    days.unshift(dayOf(timeZone, first.from - 1))
  }
  return days
}

async function readSlice(
  client: StripeClient,
  clock: () => Promise<number>,
  days: readonly Day[],
  currencies: Set<string>,
): Promise<Slice | 'too_many'> {
  const fetchedAt = await clock()
  const read = await readDays(client, days, { deadline: fetchedAt + MAX_RUN_MS, clock })
  if (read === 'too_many') return read
  if (read === 'run_too_long') throw new ProviderFailure('provider_timeout')
  for (const currency of read.currencies) currencies.add(currency)
  const [first, last] = [days[0], days.at(-1)]
  if (first === undefined || last === undefined) throw new ProviderFailure('provider_query_refused')
  if (read.currencies.size === 0) {
    const newest = await newestBefore(client, last.to, TRIES_OF_A_BEGINNING)
    // Before its first transaction an account has no history.
    if (newest === undefined) return { from: Number.NEGATIVE_INFINITY, facts: [], fetchedAt }
    if (newest >= first.from) throw new ProviderFailure('provider_reply_invalid')
  }
  const facts = days.flatMap((day) => factsOf(day, read.revenue.get(day.from), currencies, fetchedAt))
  return { from: first.from, facts, fetchedAt }
}

function isOver({ to }: Day, now: number): boolean {
  return to + SETTLING_MS <= now
}

type ReadDays = {
  readonly pages: number
  readonly currencies: ReadonlySet<string>
  /** By the begin of the day, then by currency. */
  readonly revenue: ReadonlyMap<number, ReadonlyMap<string, Revenue>>
}

/**
 * An empty list looks like days without a sale, and may be a fault. It is proved by the transaction before it: an answer with something
 * in it. Where none came before, nothing is known to be lost, and a second empty answer is believed.
 */
async function proveSilence(
  client: StripeClient,
  days: readonly Day[],
  currencies: ReadonlySet<string>,
): Promise<void> {
  const [first, last] = [days[0], days.at(-1)]
  if (first === undefined || last === undefined) return
  const newest = await newestBefore(client, last.to, 2)
  const isProved = newest === undefined ? currencies.size === 0 : newest < first.from
  if (!isProved) throw new ProviderFailure('provider_reply_invalid')
}

/** The first answer with something in it: an empty one may be a fault. */
async function newestBefore(client: StripeClient, instant: number, tries: number): Promise<number | undefined> {
  for (let asked = 0; asked < tries; asked += 1) {
    const newest = await client.newestBefore(instant)
    if (newest !== undefined) return newest
  }
  return undefined
}

async function readDays(
  client: StripeClient,
  days: readonly Day[],
  { deadline, clock }: { readonly deadline: number; readonly clock: () => Promise<number> },
): Promise<ReadDays | 'too_many' | 'run_too_long'> {
  const [first, last] = [days[0], days.at(-1)]
  const revenue = new Map<number, Map<string, Revenue>>()
  const currencies = new Set<string>()
  if (first === undefined || last === undefined) return { pages: 0, currencies, revenue }
  let pages = 0
  for await (const page of client.transactions({ from: first.from, to: last.to })) {
    pages += 1
    for (const transaction of page) {
      const day = days.findLast(({ from }) => from <= transaction.created * 1000)
      if (day === undefined) throw new ProviderFailure('provider_reply_invalid')
      const currency = transaction.currency.toUpperCase()
      const own = revenue.get(day.from) ?? new Map<string, Revenue>()
      own.set(currency, addTransaction(own.get(currency) ?? NO_REVENUE, transaction))
      revenue.set(day.from, own)
      currencies.add(currency)
    }
    if (pages >= MOST_PAGES && days.length > 1) return 'too_many'
    if ((await clock()) > deadline) return 'run_too_long'
  }
  return { pages, currencies, revenue }
}

/** A row for every currency that the account has used: a day without a sale in it is a nought that Stripe itself has told. */
function factsOf(
  day: Day,
  revenue: ReadonlyMap<string, Revenue> | undefined,
  currencies: ReadonlySet<string>,
  fetchedAt: number,
): Fact[] {
  return [...currencies].flatMap((currency) => {
    const own = revenue?.get(currency) ?? NO_REVENUE
    return metricsOfRevenue(own).map((metric) => ({
      metric,
      unit: METRICS[metric].unit,
      currency,
      windowStart: day.from,
      windowEnd: day.to,
      value: inMinorUnits(own[metric] ?? 0, currency),
      source: SOURCE,
      sampling: 1,
      completeness: isOver(day, fetchedAt) ? 'complete' : 'partial',
    }))
  })
}
