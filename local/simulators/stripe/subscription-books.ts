import type { Subscriptions, WorldSubscription } from './subscriptions.ts'
import { statusAt } from './subscriptions.ts'
import type { Mode, WorldAccount } from './world.ts'

export type SubscriptionBooks = {
  /** By currency, in the smallest unit that it has. */
  readonly mrr: Readonly<Record<string, number>>
  readonly active: number
  readonly unpriced: number
  /** By the date that a clock on the account's wall showed. */
  readonly began: Readonly<Record<string, number>>
  readonly ended: Readonly<Record<string, number>>
}

/** The simulator's own books of an account's subscriptions, as they stand at an instant: by what is to become of each. */
export function subscriptionBooksOf(
  subscriptions: Subscriptions,
  account: WorldAccount,
  mode: Mode,
  now: number,
): SubscriptionBooks {
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: account.timeZone, dateStyle: 'short' })
  const books = { mrr: {}, active: 0, unpriced: 0, began: {}, ended: {} }
  const add = (to: Record<string, number>, name: string, value = 1) => {
    to[name] = (to[name] ?? 0) + value
  }
  for (const subscription of subscriptions.backwards(account, mode, now)) {
    const { currency, monthly, turns } = subscription
    const status = statusAt(subscription, now / 1000)
    add(books.mrr, currency.toUpperCase(), 0)
    if (monthly === 0) continue
    const begins = beginOf(subscription)
    if (begins !== null && begins * 1000 <= now && status !== 'incomplete')
      add(books.began, clock.format(begins * 1000))
    if (begins !== null && status === 'canceled') add(books.ended, clock.format(turns * 1000))
    if (status !== 'active' && status !== 'past_due') continue
    books.active += 1
    if (monthly === null) books.unpriced += 1
    else add(books.mrr, currency.toUpperCase(), monthly)
  }
  return books
}

/** From when on it is paid for; null for one that never is. */
function beginOf({ fate, created, trialEnd }: WorldSubscription): number | null {
  return fate === 'never_paid' || fate === 'ends_in_trial' || fate === 'paused' ? null : (trialEnd ?? created)
}
