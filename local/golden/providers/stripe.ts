import { HISTORY_MS } from '../../../domain/backfill/retention.ts'
import { type Day, dayOf, daysBetween } from '../../../domain/calendar/days.ts'
import type { MetricName } from '../../../domain/metrics/definitions.ts'
import { BALANCE_NAMES } from '../../../domain/providers/stripe/categories.ts'
import { categoryLedgerOf } from '../../simulators/stripe/category-ledger.ts'
import { type DayTotals, ledgerOf } from '../../simulators/stripe/ledger.ts'
import { startStripeSimulator } from '../../simulators/stripe/simulator.ts'
import { type SubscriptionBooks, subscriptionBooksOf } from '../../simulators/stripe/subscription-books.ts'
import { HOUR_MS, type World, type WorldAccount } from '../../simulators/stripe/world.ts'
import type { BookSite, Books, Entry, Open } from '../books.ts'

const DAY_MS = 24 * HOUR_MS
/** A line a metric: its column in the simulator's ledger. */
const COLUMNS = {
  gross_revenue: 'gross',
  refunds: 'refunds',
  disputes: 'disputes',
  fees: 'fees',
  net_revenue: 'net',
  payouts: 'payouts',
} as const satisfies { readonly [Name in MetricName]?: keyof DayTotals }
/** A line a metric: whose dates of the subscriptions it counts. */
const MOVEMENTS = {
  new_subscriptions: 'began',
  churned_subscriptions: 'ended',
} as const satisfies { readonly [Name in MetricName]?: keyof SubscriptionBooks }
/** A line a metric: how many there are at a moment. MRR is by currency. */
const STANDS = {
  active_subscriptions: 'active',
  unpriced_subscriptions: 'unpriced',
} as const satisfies { readonly [Name in MetricName]?: keyof SubscriptionBooks }

/** An account in each of UTC+1, UTC-8, UTC+5:30 and UTC+12, which is UTC+13 in its summer. */
export const openStripe: Open = async (options) => {
  const simulator = await startStripeSimulator(options)
  const { world } = simulator
  return {
    simulator,
    accounts: world.accounts.map(({ id, displayName, timeZone }, account) => ({
      key: simulator.issueKey({ account, scope: 'read', mode: 'live' }),
      sites: [{ ref: id, name: displayName, timeZone }],
    })),
    books: [moneyOf(world), subscriptionsOf(world)],
  }
}

function moneyOf(world: World): Books {
  return {
    dataset: 'daily',
    counted: {
      metrics: [...namesOf(COLUMNS), ...BALANCE_NAMES],
      settlingMs: HOUR_MS,
      // Stripe keeps everything.
      depthMs: HISTORY_MS.daily,
      entries: function* (site, from, to) {
        const account = accountOf(world, site)
        // Whole days of the account's own.
        const days = { from: dayOf(account.timeZone, from - 1).to, to: dayOf(account.timeZone, to).from }
        const window = { account, mode: 'live', ...days } as const
        yield* entriesOf(account, ledgerOf(world, window), columnsOf)
        yield* entriesOf(account, categoryLedgerOf(world, window), categoriesOf)
      },
    },
  }
}

function columnsOf(totals: DayTotals): (readonly [MetricName, number])[] {
  return namesOf(COLUMNS).map((metric) => [metric, totals[COLUMNS[metric]]])
}

/** A metric is named as its category is. */
function categoriesOf(day: Readonly<Record<string, number>>): (readonly [MetricName, number])[] {
  return Object.entries(day).map(([category, value]) => {
    const metric = BALANCE_NAMES.find((name) => name === `balance_${category}`)
    if (metric === undefined) throw new Error(`no metric of ${category}`)
    return [metric, value]
  })
}

function* entriesOf<Row>(
  { timeZone }: WorldAccount,
  ledger: Readonly<Record<string, Row>>,
  figuresOf: (row: Row) => (readonly [MetricName, number])[],
): Generator<Entry> {
  let day: Day | undefined
  // Newest first, and a day's currencies one after the other.
  for (const [key, row] of Object.entries(ledger)) {
    const [date = '', currency = ''] = key.split(' ')
    if (day?.date !== date) day = dayOf(timeZone, noonOf(timeZone, date))
    for (const [metric, value] of figuresOf(row)) {
      yield { metric, windowStart: day.from, windowEnd: day.to, currency, value }
    }
  }
}

/** Who came and who left is in each subscription's own dates; what there is, and what it is worth, is read of a moment. */
function subscriptionsOf(world: World): Books {
  const booksAt = (account: WorldAccount, at: number) => subscriptionBooksOf(world.subscriptions, account, 'live', at)
  function* moved(site: BookSite, from: number, to: number): Generator<Entry> {
    const account = accountOf(world, site)
    // A first payment that comes a day late makes a subscription of the day before.
    const books = booksAt(account, to + DAY_MS)
    for (const day of daysBetween(account.timeZone, from, to)) {
      if (day.from < from || day.to > to) continue
      for (const metric of namesOf(MOVEMENTS)) {
        const value = books[MOVEMENTS[metric]][day.date] ?? 0
        yield { metric, windowStart: day.from, windowEnd: day.to, currency: null, value }
      }
    }
  }
  function* stood(site: BookSite, at: number): Generator<Entry> {
    const account = accountOf(world, site)
    const books = booksAt(account, at)
    const day = dayOf(account.timeZone, at)
    const window = { windowStart: day.from, windowEnd: day.to }
    for (const metric of namesOf(STANDS)) yield { metric, ...window, currency: null, value: books[STANDS[metric]] }
    for (const [currency, value] of Object.entries(books.mrr)) yield { metric: 'mrr', ...window, currency, value }
  }
  return {
    dataset: 'daily',
    counted: {
      metrics: namesOf(MOVEMENTS),
      // Those of a day may come a day late, and are read once an hour.
      settlingMs: DAY_MS + HOUR_MS,
      depthMs: HISTORY_MS.daily,
      entries: moved,
    },
    read: { everyMs: HOUR_MS, metrics: ['mrr', ...namesOf(STANDS)], entries: stood },
  }
}

function accountOf(world: World, { ref }: BookSite): WorldAccount {
  const account = world.accounts.find(({ id }) => id === ref)
  if (account === undefined) throw new Error(`no account ${ref}`)
  return account
}

function namesOf<Name extends string>(lines: { readonly [Metric in Name]: unknown }): Name[] {
  return Object.keys(lines) as Name[]
}

/** An instant within the date: a zone is at most 14 hours ahead and 12 behind, so one of the three is. */
function noonOf(timeZone: string, date: string): number {
  const noon = Date.parse(`${date}T12:00:00Z`)
  const found = [0, -12, 12].map((hours) => noon + hours * HOUR_MS).find((at) => dayOf(timeZone, at).date === date)
  if (found === undefined) throw new Error(`no instant of ${date} in ${timeZone}`)
  return found
}
