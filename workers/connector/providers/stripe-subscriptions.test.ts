import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dayOf } from '../../../domain/calendar/days.ts'
import { SiteId } from '../../../domain/contracts/ids.ts'
import type { KeyScope } from '../../../local/simulators/stripe/keys.ts'
import { type StripeSimulator, startStripeSimulator } from '../../../local/simulators/stripe/simulator.ts'
import { subscriptionBooksOf } from '../../../local/simulators/stripe/subscription-books.ts'
import type { WorldAccount } from '../../../local/simulators/stripe/world.ts'
import { type Chunk, type Fact, type ProviderAccess, ProviderFailure } from './provider.ts'
import { pollStripe } from './stripe.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.UTC(2026, 10, 24, 10, 30)
const SITE = SiteId.parse('00000000-0000-4000-8000-000000000001')

let simulator: StripeSimulator
let now: number
beforeEach(async () => {
  now = START
  simulator = await startStripeSimulator({ seed: 20261124, log: () => {}, now: () => now })
})
afterEach(() => simulator.stop())

/** What the connector keeps in Postgres: here of subscriptions alone. */
class Store {
  readonly facts = new Map<string, Fact>()
  readonly account: WorldAccount
  readonly key: string
  hourly: number | null = null
  daily: number | null = null

  constructor(place: number, scope: KeyScope = 'read') {
    const account = simulator.world.accounts[place]
    if (account === undefined) throw new Error('no such account')
    this.account = account
    this.key = simulator.issueKey({ account: place, scope, mode: 'live' })
    // The transactions of years are another test's.
    this.daily = dayOf(account.timeZone, now).from
  }

  async store({ dataset, facts, completeUntil }: Chunk): Promise<void> {
    for (const fact of facts) {
      if (fact.source !== 'stripe.subscriptions') continue
      this.facts.set(`${fact.metric} ${fact.windowStart} ${fact.currency}`, fact)
    }
    if (dataset !== 'hourly' && dataset !== 'daily') throw new Error(`${dataset} is not of Stripe`)
    if (completeUntil !== null) this[dataset] = Math.max(this[dataset] ?? 0, completeUntil)
  }

  of(metric: string): Fact[] {
    return [...this.facts.values()].filter((fact) => fact.metric === metric)
  }

  byDate(metric: string): Record<string, number> {
    const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: this.account.timeZone, dateStyle: 'short' })
    const used = this.of(metric).filter(({ value }) => value !== 0)
    return Object.fromEntries(used.map(({ windowStart, value }) => [clock.format(windowStart), value]))
  }

  /** As the last reading of the day left it. */
  stand() {
    const today = dayOf(this.account.timeZone, now).from
    const of = (metric: string) => this.of(metric).filter(({ windowStart }) => windowStart === today)
    return {
      mrr: Object.fromEntries(of('mrr').map(({ currency, value }) => [currency, value])),
      active: of('active_subscriptions')[0]?.value,
      unpriced: of('unpriced_subscriptions')[0]?.value,
    }
  }
}

function poll(store: Store) {
  const clock = async () => now
  const access: ProviderAccess = {
    apiUrl: simulator.apiUrl,
    fetch: (url, init) => fetch(url, init),
    clock,
    authorization: () => `Bearer ${store.key}`,
    acquire: async () => {},
    wait: async () => {},
    timeoutMs: 1000,
  }
  const { id: providerRef, timeZone } = store.account
  const cursors = { hourly: store.hourly, daily: store.daily }
  const site = { id: SITE, providerRef, timeZone, currencies: ['EUR'], cursors }
  return pollStripe(access, [site], { clock, store: (chunk) => store.store(chunk), storeFindings: async () => {} })
}

async function fault(kind: string, more: Record<string, unknown> = {}): Promise<void> {
  const body = JSON.stringify({ kind, match: '/v1/subscriptions', ...more })
  expect((await fetch(`${simulator.controlUrl}/faults`, { method: 'POST', body })).status).toBe(200)
}
const booksOf = ({ account }: Store) => subscriptionBooksOf(simulator.world.subscriptions, account, 'live', now)

describe('the subscriptions of an account', () => {
  it.each([
    [0, 'Europe/Berlin', ['EUR', 'JPY', 'USD']],
    [1, 'America/Los_Angeles', ['CAD', 'JPY', 'USD']],
    [2, 'Asia/Kolkata', ['INR', 'KWD', 'USD']],
    [3, 'Pacific/Auckland', ['AUD', 'ISK', 'NZD']],
  ])(
    'L1: account %d, in %s: MRR in %j, who came and who left on which day, equal its own books',
    async (place, timeZone, currencies) => {
      const store = new Store(place)
      expect(store.account.timeZone).toBe(timeZone)
      // Over the ends of summer time, while things go wrong on the way.
      const kinds = ['rate_limited', 'server_error', 'cut', 'invalid_json', 'repeated_page', 'empty_result']
      now = START - 40 * DAY
      for (let hours = 0; now < START; hours += 7) {
        const kind = kinds[hours % kinds.length]
        if (kind !== undefined && hours > 0 && hours % 4 === 0) await fault(kind)
        await poll(store).catch((error: unknown) => expect(error).toBeInstanceOf(ProviderFailure))
        await fetch(`${simulator.controlUrl}/faults`, { method: 'DELETE' })
        now += 61 * HOUR
      }
      now = START
      await poll(store)
      const books = booksOf(store)
      expect(Object.keys(books.mrr).sort()).toEqual(currencies)
      expect(Object.values(books.mrr).every((value) => value > 0)).toBe(true)
      expect(store.stand()).toEqual({ mrr: books.mrr, active: books.active, unpriced: books.unpriced })
      const oldest = Math.min(...store.of('new_subscriptions').map(({ windowStart }) => windowStart))
      const clock = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' })
      const kept = (dates: Readonly<Record<string, number>>) =>
        Object.fromEntries(Object.entries(dates).filter(([date]) => date >= clock.format(oldest)))
      expect(Object.keys(kept(books.ended)).length).toBeGreaterThan(50)
      expect(store.byDate('new_subscriptions')).toEqual(kept(books.began))
      expect(store.byDate('churned_subscriptions')).toEqual(kept(books.ended))
    },
  )

  it('MRR is told from the day of connecting on: a list has today’s prices', async () => {
    const store = new Store(0)
    await poll(store)
    expect(store.of('mrr').map(({ windowStart }) => windowStart)).toEqual(
      Array(3).fill(dayOf('Europe/Berlin', START).from),
    )
    expect(store.of('new_subscriptions').length).toBeGreaterThan(700)
  })

  it('are read once an hour, however often the account is polled', async () => {
    const store = new Store(0)
    const reads = async () => {
      const { requests } = (await (await fetch(`${simulator.controlUrl}/requests`)).json()) as {
        requests: { path: string }[]
      }
      return requests.filter(({ path }) => path.startsWith('/v1/subscriptions')).length
    }
    await poll(store)
    const first = await reads()
    now += 20 * 60_000
    await poll(store)
    expect(await reads()).toBe(first)
    now += 20 * 60_000
    await poll(store)
    expect(await reads()).toBeGreaterThan(first)
  })
})

describe('a list that is none', () => {
  it('empty where there were subscriptions before is not believed', async () => {
    const store = new Store(0)
    await poll(store)
    const facts = new Map(store.facts)
    now += 2 * HOUR
    await fault('empty_result')
    await expect(poll(store)).rejects.toMatchObject({ code: 'provider_reply_invalid' })
    expect(store.facts).toEqual(facts)
  })

  it.each(['balance_only', 'no_coupons'] as const)(
    'that the key may not read (%s) leaves the run partial, and the money is read all the same',
    async (scope) => {
      const store = new Store(0, scope)
      store.daily = START - 3 * DAY
      expect(await poll(store)).toMatchObject({ state: 'partial', reason: 'subscriptions_forbidden' })
      expect(store.daily).toBe(dayOf('Europe/Berlin', START).from)
      expect(store.facts.size).toBe(0)
    },
  )

  it.each([
    ['unauthorized', 'provider_unauthorized'],
    ['server_error', 'provider_server_error'],
    ['invalid_json', 'provider_reply_invalid'],
  ])('%s is %s', async (kind, code) => {
    await fault(kind)
    await expect(poll(new Store(0))).rejects.toMatchObject({ code })
  })
})
