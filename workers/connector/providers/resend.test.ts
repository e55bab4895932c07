import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SiteId } from '../../../domain/contracts/ids.ts'
import type { MetricName } from '../../../domain/metrics/definitions.ts'
import { EVENT_COUNTS, type EventCount } from '../../../domain/providers/resend/schemas.ts'
import { type ResendSimulator, startResendSimulator } from '../../../local/simulators/resend/simulator.ts'
import { DAY_MS, World } from '../../../local/simulators/resend/world.ts'
import { readWholeHistory } from '../../../local/stands/whole-history.ts'
import type { Chunk, Fact, PolledSite, ProviderAccess } from './provider.ts'
import { pollResend, resendHistory } from './resend.ts'

const SEED = 11
const START = Date.UTC(2026, 10, 24, 10, 30)
const world = new World(SEED)
const metricOf: Record<EventCount, MetricName> = {
  sent: 'emails_sent',
  delivered: 'emails_delivered',
  delivery_delayed: 'emails_delayed',
  bounced: 'emails_bounced',
  complained: 'emails_complained',
  suppressed: 'emails_suppressed',
}
const sites = world.domains.map((domain, index) => ({
  domain,
  id: SiteId.parse(`00000000-0000-4000-8000-00000000000${index}`),
}))

/** What the connector keeps in Postgres, as plainly as can be: facts by key, cursors by site. */
class Store {
  readonly facts = new Map<string, Fact>()
  readonly cursors = new Map<string, number>()
  /** Where the history of a site ends. */
  readonly until = new Map<string, number>()

  async store({ siteId, dataset, facts, completeUntil, historyUntil }: Chunk): Promise<void> {
    expect(dataset).toBe('daily')
    if (historyUntil !== undefined) {
      this.until.set(siteId, historyUntil)
      this.cursors.set(siteId, historyUntil)
    }
    for (const fact of facts) this.facts.set(`${siteId} ${fact.metric} ${fact.windowStart}`, fact)
    if (completeUntil !== null) this.cursors.set(siteId, Math.max(completeUntil, this.cursors.get(siteId) ?? 0))
  }

  sites(): PolledSite[] {
    return sites.map(({ id, domain }) => ({
      id,
      providerRef: domain.id,
      timeZone: 'UTC',
      currencies: [],
      cursors: { hourly: null, daily: this.cursors.get(id) ?? null },
    }))
  }

  of(site: number, metric: MetricName): Fact[] {
    const own = [...this.facts].filter(([key]) => key.startsWith(`${sites[site]?.id} ${metric} `))
    return own.map(([, fact]) => fact).sort((a, b) => a.windowStart - b.windowStart)
  }
}

let simulator: ResendSimulator
let now: number
let key: string
let store: Store

beforeEach(async () => {
  now = START
  simulator = await startResendSimulator({ seed: SEED, log: () => {}, now: () => now })
  key = simulator.issueReadKey()
  store = new Store()
  await control('retention', { days: 30 })
})
afterEach(() => simulator.stop())

async function control(path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${simulator.controlUrl}/${path}`, { method: 'POST', body: JSON.stringify(body) })
  expect(answer.status).toBe(200)
}
const fault = (kind: string, more: Record<string, unknown> = {}) => control('faults', { kind, ...more })

const clock = async () => now

function accessTo(more: Partial<ProviderAccess>): ProviderAccess {
  return {
    apiUrl: simulator.apiUrl,
    fetch: (url, init) => fetch(url, init),
    clock,
    authorization: () => `Bearer ${key}`,
    acquire: async () => {},
    wait: async (ms) => {
      now += ms
    },
    ...more,
  }
}

/** All that lies before the first poll. */
async function readHistory(more: Partial<ProviderAccess> = {}): Promise<void> {
  const history = resendHistory(accessTo(more))
  for (const site of store.sites()) {
    const until = store.until.get(site.id) ?? expect.fail()
    await readWholeHistory(history, { site, dataset: 'daily', until }, ({ facts, fetchedAt }) => {
      void store.store({ siteId: site.id, dataset: 'daily', facts, completeUntil: null, fetchedAt })
    })
  }
}

function poll(more: Partial<ProviderAccess> = {}) {
  return pollResend(accessTo(more), store.sites(), {
    clock,
    store: (chunk) => store.store(chunk),
    storeFindings: async () => {},
  })
}

/** The world's own ledger: each mail and all that became of it. */
function ledger(site: number, from: number, to: number): Record<EventCount, number> {
  const totals = { sent: 0, delivered: 0, delivery_delayed: 0, bounced: 0, complained: 0, suppressed: 0 }
  const domain = sites[site]?.domain
  for (let day = from; domain !== undefined && day < to; day += DAY_MS) {
    for (const { events } of world.mails(domain, day)) for (const { name } of events) totals[name] += 1
  }
  return totals
}

describe('a first poll and the history before it', () => {
  it('are every day of two years, the last week at once, and those of the last three are unfinished', async () => {
    await control('retention', { days: 1100 })
    expect(await poll()).toMatchObject({ state: 'complete', reason: null })
    expect(store.of(0, 'emails_sent')).toHaveLength(7)
    await readHistory()
    const sent = store.of(0, 'emails_sent')
    expect(sent[0]?.windowStart).toBeLessThan(START - 725 * DAY_MS)
    expect(sent.at(-1)).toMatchObject({ source: 'resend.emails.metrics', unit: 'count', sampling: 1 })
    const unfinished = sent.filter(({ completeness }) => completeness === 'partial')
    expect(unfinished.map(({ windowStart }) => new Date(windowStart).getUTCDate())).toEqual([21, 22, 23, 24])
    expect([...store.cursors.values()]).toEqual(sites.map(() => Date.UTC(2026, 10, 21)))
  })

  it('ask for no day that the team’s plan no longer keeps', async () => {
    expect(await poll()).toMatchObject({ state: 'complete' })
    await readHistory()
    const first = [0, 1, 2].map((site) => store.of(site, 'emails_sent')[0]?.windowStart ?? 0)
    expect(Math.min(...first)).toBe(Date.UTC(2026, 9, 26))
  })

  it('leave room in each second for the mail that the team sends itself', async () => {
    let fewest = 5
    const counting = async (url: string, init: RequestInit) => {
      const response = await fetch(url, init)
      fewest = Math.min(fewest, Number(response.headers.get('ratelimit-remaining')))
      return response
    }
    await poll({ fetch: counting })
    await readHistory({ fetch: counting })
    expect(fewest).toBe(2)
  })
})

describe('a day that is over', () => {
  it('is corrected by a bounce or a complaint that comes two days later', async () => {
    await poll()
    const day = Date.UTC(2026, 10, 23)
    const first = Object.fromEntries(EVENT_COUNTS.map((name) => [name, valueAt(metricOf[name], day)]))
    now += 4 * DAY_MS
    await poll()
    const last = Object.fromEntries(EVENT_COUNTS.map((name) => [name, valueAt(metricOf[name], day)]))
    expect(last).toEqual(ledger(2, day, day + DAY_MS))
    expect(last).not.toEqual(first)
  })
  const valueAt = (metric: MetricName, day: number) =>
    store.of(2, metric).find(({ windowStart }) => windowStart === day)?.value
})

describe('the records of a domain', () => {
  it('are counted by day as they stand, and a drift shows with its record', async () => {
    for (let day = 0; day < 28; day += 1) {
      await poll()
      now += DAY_MS
    }
    const days = (site: number, metric: MetricName) => store.of(site, metric).map(({ value }) => value)
    expect(days(0, 'spf_unverified')).toEqual(Array(28).fill(0))
    expect(days(1, 'dkim_unverified').filter((value) => value === 1)).toHaveLength(3)
    expect(days(1, 'spf_unverified')).toEqual(Array(28).fill(0))
    expect(days(2, 'spf_unverified').filter((value) => value === 2)).toHaveLength(3)
    expect(store.of(2, 'spf_unverified')[0]).toMatchObject({ source: 'resend.domains', completeness: 'complete' })
  })

  it('are those of the day on which they were asked for, where the run goes on past midnight', async () => {
    const drifts = (at: number) => world.domains.some((domain) => world.recordStatus(domain, 'SPF', at) === 'failed')
    let midnight = Date.UTC(2026, 10, 25)
    while (drifts(midnight - 1) || !drifts(midnight)) midnight += DAY_MS
    now = midnight - 1000
    await poll({ wait: async () => {}, fetch: lateFor('/emails/metrics', 2000) })
    expect(store.of(2, 'spf_unverified').map(({ windowStart, value }) => [windowStart, value])).toEqual([
      [midnight - DAY_MS, 0],
    ])
  })

  const lateFor = (path: string, ms: number) => async (url: string, init: RequestInit) => {
    if (url.includes(path)) now += ms
    return fetch(url, init)
  }
})

describe('a run that is not whole', () => {
  it.each(['empty_result', 'partial'])('is partial when rows are missing of what its totals say: %s', async (kind) => {
    await fault(kind, { match: 'dimensions', times: 100 })
    expect(await poll()).toMatchObject({ state: 'partial', reason: 'rows_incomplete' })
    expect(store.cursors).toEqual(store.until)
    expect([...store.facts.values()].filter(({ source }) => source === 'resend.emails.metrics')).not.toContainEqual(
      expect.objectContaining({ completeness: 'complete' }),
    )
  })
  it('is empty when the totals themselves say that no mail was sent', async () => {
    now = Date.UTC(2024, 8, 20)
    expect(await poll()).toMatchObject({ state: 'empty', reason: 'run_empty' })
  })
  it('is partial when one of the domains is gone, and the others are read', async () => {
    const gone = { ...store.sites()[0], id: SiteId.parse('00000000-0000-4000-8000-000000000009') } as PolledSite
    const known = store.sites()
    store.sites = () => [...known, { ...gone, providerRef: '00000000-0000-4000-8000-00000000dead' }]
    expect(await poll()).toMatchObject({ state: 'partial', reason: 'site_missing' })
    expect(store.of(0, 'emails_sent').length).toBe(7)
  })
  it('is throttled with the wait that Resend gave, and keeps what was read', async () => {
    await fault('rate_limited', { match: 'dimensions', retry_after: 7 })
    expect(await poll()).toMatchObject({ state: 'throttled', retryAfterMs: 7000 })
  })
})

describe('a call that fails', () => {
  it.each([
    ['unauthorized', 'provider_unauthorized'],
    ['forbidden', 'provider_forbidden'],
    ['server_error', 'provider_server_error'],
    ['cut', 'provider_unreachable'],
    ['invalid_json', 'provider_reply_invalid'],
  ])('%s is %s', async (kind, code) => {
    await fault(kind, { match: 'dimensions' })
    await expect(poll()).rejects.toMatchObject({ code })
  })
  it('is page_repeated when an answer for other days is served again', async () => {
    await poll()
    now += 5 * DAY_MS
    await fault('repeated_page', { match: 'dimensions' })
    await expect(poll()).rejects.toMatchObject({ code: 'page_repeated' })
  })
  it('is page_repeated when an older answer for the same days is served again', async () => {
    await poll()
    await poll()
    now += 60 * 60_000
    await fault('repeated_page', { match: 'dimensions' })
    await expect(poll()).rejects.toMatchObject({ code: 'page_repeated' })
  })
  it('does not make noughts of an answer that was given while the list named fewer domains', async () => {
    await fault('partial', { match: '/domains?' })
    expect(await poll()).toMatchObject({ state: 'partial', reason: 'site_missing' })
    now += 60_000
    await fault('repeated_page', { match: 'dimensions' })
    expect(await poll()).toMatchObject({ state: 'complete' })
    const [from, to] = [Date.UTC(2026, 10, 18), Date.UTC(2026, 10, 21)]
    const sent = store.of(2, 'emails_sent').filter(({ windowStart }) => windowStart >= from && windowStart < to)
    expect(sent.reduce((sum, { value }) => sum + value, 0)).toBe(ledger(2, from, to).sent)
  })
  it('is asked again for the domains that are listed, where one that is gone is refused', async () => {
    const known = store.sites()
    store.sites = () => [
      ...known,
      { ...(known[0] ?? expect.fail()), providerRef: '00000000-0000-4000-8000-00000000dead' },
    ]
    const refusing = async (url: string, init: RequestInit) =>
      url.includes('dead') ? new Response('{}', { status: 422 }) : fetch(url, init)
    expect(await poll({ fetch: refusing })).toMatchObject({ state: 'partial', reason: 'site_missing' })
    expect(store.of(0, 'emails_sent')).toHaveLength(7)
  })
  it('is provider_unauthorized for a key that can only send', async () => {
    key = simulator.issueKey('sending_access')
    await expect(poll()).rejects.toMatchObject({ code: 'provider_unauthorized' })
  })
  it('never carries the provider’s words or the key', async () => {
    key = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`
    const error = await poll().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'provider_forbidden' })
    expect(JSON.stringify([String(error), error, error instanceof Error ? error.stack : ''])).not.toContain(key)
  })
})
