import { HISTORY_MS } from '../../../domain/backfill/retention.ts'
import { type Day, dayOf } from '../../../domain/calendar/days.ts'
import type { MetricName } from '../../../domain/metrics/definitions.ts'
import { type DayTotals, ledgerOf } from '../../simulators/stripe/ledger.ts'
import { startStripeSimulator } from '../../simulators/stripe/simulator.ts'
import { HOUR_MS, type WorldAccount } from '../../simulators/stripe/world.ts'
import type { Entry, Open } from '../books.ts'

/** A line a metric: its column in the simulator's ledger. */
const COLUMNS = {
  gross_revenue: 'gross',
  refunds: 'refunds',
  disputes: 'disputes',
  fees: 'fees',
  net_revenue: 'net',
  payouts: 'payouts',
} as const satisfies { readonly [Name in MetricName]?: keyof DayTotals }
type Column = keyof typeof COLUMNS
const METRICS = Object.keys(COLUMNS) as Column[]

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
    books: [
      {
        dataset: 'daily',
        counted: {
          metrics: METRICS,
          settlingMs: HOUR_MS,
          // Stripe keeps everything.
          depthMs: HISTORY_MS.daily,
          entries: ({ ref }, from, to) => {
            const account = world.accounts.find(({ id }) => id === ref)
            if (account === undefined) throw new Error(`no account ${ref}`)
            // Whole days of the account's own.
            const days = { from: dayOf(account.timeZone, from - 1).to, to: dayOf(account.timeZone, to).from }
            return entriesOf(account, ledgerOf(world, { account, mode: 'live', ...days }))
          },
        },
      },
    ],
  }
}

function* entriesOf({ timeZone }: WorldAccount, ledger: ReturnType<typeof ledgerOf>): Generator<Entry> {
  let day: Day | undefined
  // Newest first, and a day's currencies one after the other.
  for (const [key, totals] of Object.entries(ledger)) {
    const [date = '', currency = ''] = key.split(' ')
    if (day?.date !== date) day = dayOf(timeZone, noonOf(timeZone, date))
    const { from, to } = day
    for (const metric of METRICS) {
      yield { metric, windowStart: from, windowEnd: to, currency, value: totals[COLUMNS[metric]] }
    }
  }
}

/** An instant within the date: a zone is at most 14 hours ahead and 12 behind, so one of the three is. */
function noonOf(timeZone: string, date: string): number {
  const noon = Date.parse(`${date}T12:00:00Z`)
  const found = [0, -12, 12].map((hours) => noon + hours * HOUR_MS).find((at) => dayOf(timeZone, at).date === date)
  if (found === undefined) throw new Error(`no instant of ${date} in ${timeZone}`)
  return found
}
