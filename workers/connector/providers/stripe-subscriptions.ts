import { HISTORY_MS } from '../../../domain/backfill/retention.ts'
import { type Day, dayOf, daysBetween } from '../../../domain/calendar/days.ts'
import { METRICS, type MetricName } from '../../../domain/metrics/definitions.ts'
import { isCounted, monthlyValue, paidSpan, type Subscription } from '../../../domain/providers/stripe/subscriptions.ts'
import type { RunReason } from '../../../domain/runs/words.ts'
import { type Fact, type PolledSite, ProviderFailure, type RunTools } from './provider.ts'
import type { StripeClient } from './stripe-client.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const SOURCE = 'stripe.subscriptions'
/** A first payment may come 23 hours after its subscription, and makes it one of that earlier day. */
const SETTLING_MS = DAY_MS
/** 20,000 subscriptions, those that ended among them. */
const MOST_PAGES = 200
/** What one transaction of ours stores. */
const DAYS_AT_ONCE = 200

/**
 * The whole list, once an hour: Stripe filters it neither by when a subscription ended nor by when it changed. MRR is known of the moment
 * alone, since a list has today's prices; who came and who left is in each subscription's own dates, however long ago.
 * The account's hourly cursor, which nothing else of Stripe's moves, says when it was read last. Null when it was; else why not.
 */
export async function readSubscriptions(
  client: StripeClient,
  site: PolledSite,
  tools: RunTools,
  deadline: number,
): Promise<RunReason | null> {
  const fetchedAt = await tools.clock()
  const hour = Math.floor(fetchedAt / HOUR_MS) * HOUR_MS
  const readUntil = site.cursors.hourly
  if (readUntil !== null && readUntil >= hour) return null
  const book = await (readUntil === null ? readFirstBook : readBook)(client, tools, deadline)
  if (typeof book === 'string') return book
  if (book.currencies.size === 0) {
    // Whoever had a subscription once has it in the list for good.
    if (readUntil !== null) throw new ProviderFailure('provider_reply_invalid')
    return null
  }
  const oldest = dayOf(site.timeZone, fetchedAt - HISTORY_MS.daily).to
  const from = readUntil === null ? oldest : Math.max(oldest, readUntil - SETTLING_MS - HOUR_MS)
  const facts = [
    ...daysBetween(site.timeZone, from, fetchedAt).flatMap((day) => movementsOf(day, book, fetchedAt)),
    ...standOf(dayOf(site.timeZone, fetchedAt), book),
  ]
  for (let first = 0; first < facts.length; first += DAYS_AT_ONCE) {
    const some = facts.slice(first, first + DAYS_AT_ONCE)
    await tools.store({ siteId: site.id, dataset: 'daily', facts: some, completeUntil: null, fetchedAt })
  }
  await tools.store({ siteId: site.id, dataset: 'hourly', facts: [], completeUntil: hour, fetchedAt })
  return null
}

type Book = {
  /** All that any subscription ever was in. */
  readonly currencies: Set<string>
  readonly mrr: Map<string, number>
  active: number
  unpriced: number
  /** Unix seconds. */
  readonly began: number[]
  readonly ended: number[]
}

/** An empty list looks like an account that never had a subscription: it is believed when it comes twice. */
async function readFirstBook(client: StripeClient, tools: RunTools, deadline: number): Promise<Book | RunReason> {
  const book = await readBook(client, tools, deadline)
  if (typeof book === 'string' || book.currencies.size > 0) return book
  return await readBook(client, tools, deadline)
}

async function readBook(client: StripeClient, { clock }: RunTools, deadline: number): Promise<Book | RunReason> {
  const book: Book = { currencies: new Set(), mrr: new Map(), active: 0, unpriced: 0, began: [], ended: [] }
  let pages = 0
  try {
    for await (const page of client.subscriptions()) {
      for (const subscription of page) enter(book, subscription)
      pages += 1
      if (pages > MOST_PAGES) return 'subscriptions_too_many'
      if ((await clock()) > deadline) return 'run_too_long'
    }
  } catch (error) {
    // The account's money is read all the same: a key of before may lack what this list takes.
    if (error instanceof ProviderFailure && error.code === 'provider_forbidden') return 'subscriptions_forbidden'
    throw error
  }
  return book
}

function enter(book: Book, subscription: Subscription): void {
  const currency = subscription.currency.toUpperCase()
  book.currencies.add(currency)
  const monthly = monthlyValue(subscription)
  // Free ones, and those that are metered alone, are no subscribers by Stripe's definition.
  if (monthly === 0) return
  const span = paidSpan(subscription)
  if (span !== null) book.began.push(span.from)
  if (span !== null && span.to !== null) book.ended.push(span.to)
  if (!isCounted(subscription)) return
  book.active += 1
  if (monthly === null) book.unpriced += 1
  else book.mrr.set(currency, (book.mrr.get(currency) ?? 0) + monthly)
}

function movementsOf(day: Day, { began, ended }: Book, fetchedAt: number): Fact[] {
  const within = (at: number) => at * 1000 >= day.from && at * 1000 < day.to
  const completeness = day.to + SETTLING_MS <= fetchedAt ? 'complete' : 'partial'
  return [
    factOf('new_subscriptions', began.filter(within).length, { day, completeness }),
    factOf('churned_subscriptions', ended.filter(within).length, { day, completeness }),
  ]
}

/** As it stood when it was read: the day's last reading is the day's. */
function standOf(day: Day, { currencies, mrr, active, unpriced }: Book): Fact[] {
  const about = { day, completeness: 'complete' } as const
  return [
    ...[...currencies].map((currency) => ({ ...factOf('mrr', mrr.get(currency) ?? 0, about), currency })),
    factOf('active_subscriptions', active, about),
    factOf('unpriced_subscriptions', unpriced, about),
  ]
}

type About = { readonly day: Day; readonly completeness: Fact['completeness'] }
function factOf(metric: MetricName, value: number, { day: { from, to }, completeness }: About): Fact {
  const { unit } = METRICS[metric]
  const window = { windowStart: from, windowEnd: to }
  return { metric, unit, currency: null, ...window, value, source: SOURCE, sampling: 1, completeness }
}
