import { type Day, dayOf, daysBetween } from '../../../domain/calendar/days.ts'
import { METRICS } from '../../../domain/metrics/definitions.ts'
import {
  addTransaction,
  inMinorUnits,
  metricsOfRevenue,
  NO_REVENUE,
  type Revenue,
} from '../../../domain/providers/stripe/revenue.ts'
import { connectorOf, type RunEnd } from './connector.ts'
import { type Fact, type PolledSite, ProviderFailure, type RunTools } from './provider.ts'
import { StripeClient } from './stripe-client.ts'
import { readSubscriptions } from './stripe-subscriptions.ts'

const DAY_MS = 24 * 3_600_000
const SOURCE = 'stripe.balance_transactions'
/** A transaction may be listed some minutes after it was made. */
const SETTLING_MS = 60 * 60_000
/** Facts have partitions for 25 months back. */
const MAX_BACKFILL_MS = 730 * DAY_MS
/** What one transaction of ours stores: fewer days for an account that sells more. */
const MOST_DAYS = 31
/** 5,000 transactions in memory, and well within what a Worker may ask for. */
const MOST_PAGES = 50
/** A run that takes longer ends as partial; the next one goes on from its cursors. */
const MAX_RUN_MS = 4 * 60_000

/** One run over the accounts of a key, which is one: from its cursor on, day by day of its own time zone. */
export const pollStripe = connectorOf(async (access, sites, tools) => {
  const deadline = (await tools.clock()) + MAX_RUN_MS
  const client = new StripeClient(access)
  const reasons: (string | null)[] = []
  for (const site of sites) {
    // First, since it takes a few calls where a first run over the transactions may take all its time.
    const subscriptions = await readSubscriptions(client, site, tools, deadline)
    const account = await readAccount(client, site, tools, deadline)
    reasons.push(subscriptions ?? account)
  }
  return judge(reasons)
})

const EMPTY = 'run_empty'

function judge(reasons: readonly (string | null)[]): RunEnd {
  if (reasons.every((reason) => reason === EMPTY)) return { outcome: 'empty', reason: EMPTY }
  const reason = reasons.find((each) => each !== null) ?? null
  return { outcome: reason === null ? 'ok' : 'partial', reason }
}

/** Null when it was read to now; else why not. */
async function readAccount(
  client: StripeClient,
  site: PolledSite,
  tools: RunTools,
  deadline: number,
): Promise<string | null> {
  const now = await tools.clock()
  const oldest = dayOf(site.timeZone, now - MAX_BACKFILL_MS).to
  const days = daysBetween(site.timeZone, Math.max(site.cursors.daily ?? oldest, oldest), now)
  const currencies = new Set(site.currencies)
  let most = MOST_DAYS
  while (days.length > 0) {
    const fetchedAt = await tools.clock()
    if (fetchedAt > deadline) return 'run_too_long'
    const some = days.slice(0, most)
    const read = await readDays(client, some, deadline, tools)
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
      // An account that never had a transaction is looked through from its beginning each time.
      completeUntil: currencies.size === 0 ? null : (some.findLast((day) => isOver(day, fetchedAt))?.to ?? null),
      fetchedAt,
    })
    days.splice(0, some.length)
    if (read.pages < MOST_PAGES / 8) most = Math.min(MOST_DAYS, most * 2)
  }
  return currencies.size === 0 ? EMPTY : null
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
  const newest = (await client.newestBefore(last.to)) ?? (await client.newestBefore(last.to))
  const isProved = newest === undefined ? currencies.size === 0 : newest < first.from
  if (!isProved) throw new ProviderFailure('provider_reply_invalid')
}

async function readDays(
  client: StripeClient,
  days: readonly Day[],
  deadline: number,
  { clock }: RunTools,
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
