import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dayOf } from '../../../domain/calendar/days.ts'
import { SiteId } from '../../../domain/contracts/ids.ts'
import { REVENUE_METRICS } from '../../../domain/providers/stripe/revenue.ts'
import { type Ledger, ledgerOf } from '../../../local/simulators/stripe/ledger.ts'
import { type StripeSimulator, startStripeSimulator } from '../../../local/simulators/stripe/simulator.ts'
import type { WorldAccount } from '../../../local/simulators/stripe/world.ts'
import { readWholeHistory } from '../../../local/stands/whole-history.ts'
import type { Chunk, Fact, PolledSite, ProviderAccess } from './provider.ts'
import { pollStripe, stripeHistory } from './stripe.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** Sixty days that hold the ends of summer time in Berlin and Los Angeles, and its beginning in Auckland. */
const START = Date.UTC(2026, 10, 24, 10, 30)
const SITE = SiteId.parse('00000000-0000-4000-8000-000000000001')

let simulator: StripeSimulator
let now: number
beforeEach(async () => {
  now = START
  simulator = await startStripeSimulator({ seed: 20261124, log: () => {}, now: () => now })
})
afterEach(() => simulator.stop())

/** What the connector keeps in Postgres, as plainly as can be. */
class Store {
  readonly facts = new Map<string, Fact>()
  readonly categories = new Map<string, Fact>()
  cursor: number | null
  /** Where its history ends. */
  until: number | undefined
  chunks = 0
  readonly account: WorldAccount
  readonly key: string

  constructor(place: number, from: number | null, scope: 'read' | 'nothing' = 'read') {
    const account = simulator.world.accounts[place]
    if (account === undefined) throw new Error('no such account')
    this.account = account
    this.cursor = from === null ? null : dayOf(account.timeZone, from).from
    this.key = simulator.issueKey({ account: place, scope, mode: 'live' })
  }

  async store({ facts, completeUntil, historyUntil }: Chunk): Promise<void> {
    this.chunks += 1
    this.until ??= historyUntil
    this.cursor ??= historyUntil ?? null
    for (const fact of facts) {
      const kept = fact.metric.startsWith('balance_') ? this.categories : this.facts
      kept.set(`${fact.windowStart} ${fact.currency} ${fact.metric}`, fact)
    }
    if (completeUntil !== null) this.cursor = Math.max(this.cursor ?? 0, completeUntil)
  }

  site(): PolledSite {
    const currencies = [...new Set([...this.facts.values()].flatMap(({ currency }) => currency ?? []))]
    // As if the subscriptions had just been read: they are another test's.
    const cursors = { hourly: now, daily: this.cursor }
    return { id: SITE, providerRef: this.account.id, timeZone: this.account.timeZone, currencies, cursors }
  }

  /** The complete days' reporting categories, in the shape of the simulator's books of them. */
  byCategory() {
    const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: this.account.timeZone, dateStyle: 'short' })
    const books: Record<string, Record<string, number>> = {}
    for (const { windowStart, currency, metric, value, completeness } of this.categories.values()) {
      if (completeness !== 'complete') continue
      const day = `${clock.format(windowStart)} ${currency}`
      books[day] = { ...books[day], [metric.replace('balance_', '')]: value }
    }
    return books
  }

  /** Every complete day with anything in it, in the shape of the simulator's own books. */
  books(): Ledger {
    const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: this.account.timeZone, dateStyle: 'short' })
    const books: Record<string, Record<string, number>> = {}
    for (const { windowStart, currency, metric, value, completeness } of this.facts.values()) {
      if (completeness !== 'complete') continue
      const day = `${clock.format(windowStart)} ${currency}`
      books[day] = { ...books[day], [metric.replace('_revenue', '')]: value }
    }
    const used = Object.entries(books).filter(([, totals]) => Object.values(totals).some((value) => value !== 0))
    return Object.fromEntries(used) as Ledger
  }
}

const clock = async () => now

function accessTo(store: Store): ProviderAccess {
  return {
    apiUrl: simulator.apiUrl,
    fetch: (url, init) => fetch(url, init),
    clock,
    authorization: () => `Bearer ${store.key}`,
    acquire: async () => {},
    wait: async () => {},
    timeoutMs: 1000,
  }
}

/** All that lies before the first poll. */
async function readHistory(store: Store): Promise<number> {
  const until = store.until ?? expect.fail()
  const plan = { site: store.site(), dataset: 'daily', until } as const
  const { slices } = await readWholeHistory(stripeHistory(accessTo(store)), plan, ({ facts, fetchedAt }) => {
    void store.store({ siteId: SITE, dataset: 'daily', facts, completeUntil: null, fetchedAt })
  })
  return slices
}

function poll(store: Store) {
  return pollStripe(accessTo(store), [store.site()], {
    clock,
    store: (chunk) => store.store(chunk),
    storeFindings: async () => {},
  })
}

async function fault(kind: string, more: Record<string, unknown> = {}): Promise<void> {
  const body = JSON.stringify({ kind, match: 'balance_transactions', ...more })
  expect((await fetch(`${simulator.controlUrl}/faults`, { method: 'POST', body })).status).toBe(200)
}
const calls = async () => {
  const answer = await fetch(`${simulator.controlUrl}/requests`)
  const { requests } = (await answer.json()) as { requests: { path: string }[] }
  return requests.filter(({ path }) => path.includes('balance_transactions')).length
}

function goldenOf({ account, cursor }: Store, from: number): Ledger {
  const window = { from: dayOf(account.timeZone, from).from, to: cursor ?? 0 }
  const ledger = ledgerOf(simulator.world, { account, mode: 'live', ...window })
  return Object.fromEntries(
    Object.entries(ledger).filter(([, totals]) => Object.values(totals).some((value) => value !== 0)),
  )
}

describe('an account polled again and again', () => {
  it('L1: from the beginning: a week at once, then its history as far back as facts are kept, and later runs ask for what is new alone', async () => {
    const store = new Store(0, null)
    expect(await poll(store)).toMatchObject({ state: 'complete' })
    expect(store.books()).toEqual(goldenOf(store, START - 7 * DAY))
    expect(await readHistory(store)).toBeGreaterThan(20)
    expect(store.books()).toEqual(goldenOf(store, START - 729 * DAY))
    const [asked, chunks, kept] = [await calls(), store.chunks, store.facts.size]
    now += HOUR
    expect(await poll(store)).toMatchObject({ state: 'complete' })
    expect((await calls()) - asked).toBeLessThanOrEqual(2)
    expect([store.chunks - chunks, store.facts.size - kept]).toEqual([1, 0])
  })

  it('a day without a sale has noughts in every currency that the account has used, and the day under way is unfinished', async () => {
    const store = new Store(0, START - 20 * DAY)
    await poll(store)
    const today = dayOf('Europe/Berlin', START).from
    const days = [...new Set([...store.facts.values()].map(({ windowStart }) => windowStart))]
    const last = (day: number) => [...store.facts.values()].filter(({ windowStart }) => windowStart === day)
    for (const day of days) {
      expect(last(day)).toHaveLength(3 * REVENUE_METRICS.length)
      expect(new Set(last(day).map(({ completeness }) => completeness))).toEqual(
        new Set([day === today ? 'partial' : 'complete']),
      )
    }
    for (const { value } of store.facts.values()) expect(Number.isInteger(value)).toBe(true)
  })
})

describe('an answer that is no success is not taken for one', () => {
  it('an empty list of days that had sales, however often, overwrites nothing and moves no cursor', async () => {
    const store = new Store(1, START - 10 * DAY)
    await poll(store)
    const [facts, cursor] = [new Map(store.facts), store.cursor]
    now += 2 * HOUR
    for (const times of [1, 2, 3]) {
      await fault('empty_result', { times })
      await expect(poll(store)).rejects.toMatchObject({ code: 'provider_reply_invalid' })
    }
    expect([store.facts, store.cursor]).toEqual([facts, cursor])
  })

  it('an account without any transaction is empty, and is looked through again', async () => {
    const store = new Store(0, START - 3 * DAY)
    await fault('empty_result', { times: 100 })
    expect(await poll(store)).toMatchObject({ state: 'empty', reason: 'run_empty', facts: 0 })
    expect(store.facts.size).toBe(0)
  })

  it('a 429 without a time is waited out for half a minute, and what was read is kept', async () => {
    const store = new Store(0, START - 90 * DAY)
    await fault('server_error', { match: 'starting_after', times: 1 })
    await poll(store).catch(() => {})
    await fault('rate_limited', { match: 'starting_after' })
    expect(await poll(store)).toMatchObject({
      state: 'throttled',
      reason: 'provider_rate_limited',
      retryAfterMs: 30_000,
    })
    expect(await poll(store)).toMatchObject({ state: 'complete' })
    expect(store.books()).toEqual(goldenOf(store, START - 90 * DAY))
  })

  it.each([
    ['unauthorized', 'provider_unauthorized'],
    ['forbidden', 'provider_forbidden'],
    ['server_error', 'provider_server_error'],
    ['cut', 'provider_unreachable'],
    ['invalid_json', 'provider_reply_invalid'],
    ['timeout', 'provider_timeout'],
  ])('%s is %s', async (kind, code) => {
    await fault(kind)
    await expect(poll(new Store(0, START - DAY))).rejects.toMatchObject({ code })
  })

  it('a key that has lost the permission is forbidden', async () => {
    await expect(poll(new Store(0, START - DAY, 'nothing'))).rejects.toMatchObject({ code: 'provider_forbidden' })
  })
})
