import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SiteId } from '../../../domain/contracts/ids.ts'
import { type CloudflareSimulator, startCloudflareSimulator } from '../../../local/simulators/cloudflare/simulator.ts'
import { DAY_MS, HOUR_MS, World } from '../../../local/simulators/cloudflare/world.ts'
import { pollCloudflare } from './cloudflare.ts'
import type { Chunk, Fact, PolledSite, ProviderAccess } from './provider.ts'
import { retryAfter } from './request.ts'

const START = Date.UTC(2026, 10, 24, 10, 30)
const world = new World(11)
const siteIds = world.zones.map((_, index) => SiteId.parse(`00000000-0000-4000-8000-00000000000${index}`))

/** What the connector keeps in Postgres, as plainly as can be: facts by key, cursors by site. */
class Store {
  readonly facts = new Map<string, Fact>()
  readonly cursors = new Map<string, number>()
  readonly chunks: Chunk[] = []

  async store(chunk: Chunk): Promise<void> {
    this.chunks.push(chunk)
    for (const fact of chunk.facts) {
      this.facts.set(`${chunk.siteId} ${chunk.dataset} ${fact.metric} ${fact.windowStart}`, fact)
    }
    if (chunk.completeUntil !== null) this.cursors.set(`${chunk.siteId} ${chunk.dataset}`, chunk.completeUntil)
  }

  sites(): PolledSite[] {
    return world.zones.map((zone, index) => {
      const id = siteIds[index] ?? SiteId.parse('')
      const cursor = (dataset: string) => this.cursors.get(`${id} ${dataset}`) ?? null
      return {
        id,
        providerRef: zone.id,
        timeZone: 'UTC',
        currencies: [],
        cursors: { hourly: cursor('hourly'), daily: cursor('daily') },
      }
    })
  }

  requests(dataset: 'hourly' | 'daily'): Fact[] {
    return [...this.facts]
      .filter(([key]) => key.startsWith(`${siteIds[0]} ${dataset} requests`))
      .map(([, fact]) => fact)
      .sort((a, b) => a.windowStart - b.windowStart)
  }
}

let simulator: CloudflareSimulator
let now: number
let token: string
let store: Store

beforeEach(async () => {
  now = START
  simulator = await startCloudflareSimulator({ seed: 11, log: () => {}, now: () => now })
  token = simulator.issueToken({ scope: 'read' })
  store = new Store()
})
afterEach(() => simulator.stop())

async function control(path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${simulator.controlUrl}/${path}`, { method: 'POST', body: JSON.stringify(body) })
  expect(answer.status).toBe(200)
}
const fault = (kind: string, more: Record<string, unknown> = {}) => control('faults', { kind, ...more })

function poll(timeoutMs = 30_000) {
  const clock = async () => now
  const access: ProviderAccess = {
    apiUrl: simulator.apiUrl,
    fetch: (url, init) => fetch(url, init),
    clock,
    authorization: () => `Bearer ${token}`,
    acquire: async () => {},
    wait: async () => {},
    timeoutMs,
  }
  return pollCloudflare(access, store.sites(), {
    clock,
    store: (chunk) => store.store(chunk),
    storeFindings: async () => {},
  })
}

async function queries(): Promise<number> {
  const answer = await fetch(`${simulator.controlUrl}/requests`)
  const { requests } = (await answer.json()) as { requests: unknown[] }
  return requests.length
}

describe('a first poll', () => {
  it('reads what the provider keeps, hour by hour and day by day, and says which windows are not over', async () => {
    expect(await poll()).toMatchObject({ outcome: 'ok', reason: null })
    const hours = store.requests('hourly')
    expect(hours.length).toBeGreaterThan(30 * 24)
    expect(hours.every((hour, index) => index === 0 || hour.windowStart === (hours[index - 1]?.windowEnd ?? 0))).toBe(
      true,
    )
    expect(
      hours.filter(({ completeness }) => completeness === 'partial').map(({ windowStart }) => windowStart),
    ).toEqual([Date.UTC(2026, 10, 24, 10)])
    const days = store.requests('daily')
    expect(days.length).toBeGreaterThan(360)
    expect(days.at(-1)).toMatchObject({
      completeness: 'partial',
      source: 'cloudflare.httpRequests1dGroups',
      sampling: 1,
    })
    expect(days.at(-2)).toMatchObject({ completeness: 'complete', unit: 'count' })
  })
  it('stores hours that add up to their day', async () => {
    await poll()
    const day = Date.UTC(2026, 10, 20)
    const hours = store.requests('hourly').filter(({ windowStart }) => windowStart >= day && windowStart < day + DAY_MS)
    expect(hours.reduce((sum, { value }) => sum + value, 0)).toBe(
      store.requests('daily').find(({ windowStart }) => windowStart === day)?.value,
    )
  })
  it('respects page size, window and age of the dataset, whatever they are', async () => {
    await control('limits', {
      dataset: 'httpRequestsAdaptiveGroups',
      maxPageSize: 7,
      maxDuration: 36_000,
      notOlderThan: 93_600,
    })
    expect(await poll()).toMatchObject({ outcome: 'ok' })
    expect(store.requests('hourly')).toHaveLength(25)
  })
  it('asks for no more than two years of days, whatever the plan would give', async () => {
    const tenYears = 10 * 365 * 86_400
    await control('limits', { dataset: 'httpRequests1dGroups', notOlderThan: tenYears, maxDuration: tenYears })
    expect(await poll()).toMatchObject({ outcome: 'ok' })
    expect(store.requests('daily')[0]?.windowStart).toBeGreaterThan(START - 730 * DAY_MS)
    expect(store.requests('daily').length).toBeGreaterThan(700)
  })
})

describe('a later poll', () => {
  it('goes on from the cursor and makes the last partial window complete', async () => {
    await poll()
    const before = store.facts.size
    const asked = await queries()
    now = START + HOUR_MS
    expect(await poll()).toMatchObject({ outcome: 'ok' })
    expect((await queries()) - asked).toBe(1 + 2 * world.zones.length)
    expect(store.facts.size - before).toBe(3 * world.zones.length)
    const [last, first] = [store.requests('hourly').at(-2), world.zones[0]]
    expect(last).toMatchObject({ windowStart: Date.UTC(2026, 10, 24, 10), completeness: 'complete' })
    expect(first && world.hour(first, Date.UTC(2026, 10, 24, 10), now)?.requests).toBe(last?.value)
  })
  it('loses and doubles nothing, whichever faults come between', async () => {
    for (const kind of [
      'empty_result',
      'partial',
      'server_error',
      'cut',
      'repeated_page',
      'invalid_json',
      'rate_limited',
    ]) {
      await fault(kind, { match: 'httpRequestsAdaptiveGroups', times: 1 })
      await poll().catch(() => {})
      now += 10 * 60_000
    }
    expect(await poll()).toMatchObject({ outcome: 'ok' })
    const faulted = store.requests('hourly').filter(({ completeness }) => completeness === 'complete')
    store = new Store()
    await poll()
    const clean = new Map(store.requests('hourly').map((hour) => [hour.windowStart, hour.value]))
    const kept = faulted.filter(({ windowStart }) => clean.has(windowStart))
    expect(kept.filter(({ windowStart, value }) => clean.get(windowStart) !== value)).toEqual([])
    expect(kept.length).toBe(clean.size - 1)
  })
})

describe('a run in the first minutes of an hour', () => {
  it('reads the hour that has just ended, however the pages are cut, and calls it unfinished', async () => {
    now = Date.UTC(2026, 10, 24, 11, 2)
    await fault('partial', { times: 1000 })
    expect(await poll()).toMatchObject({ outcome: 'ok' })
    const ended = store.requests('hourly').find(({ windowStart }) => windowStart === Date.UTC(2026, 10, 24, 10))
    expect(ended).toMatchObject({ completeness: 'partial' })
  })
})

describe('a run that is not whole', () => {
  it('is empty when nothing comes, and moves no cursor into the last two days', async () => {
    await fault('empty_result', { times: 1000 })
    expect(await poll()).toMatchObject({ outcome: 'empty', reason: 'run_empty', facts: 0 })
    expect([...store.cursors.values()].every((cursor) => cursor <= START - 2 * DAY_MS)).toBe(true)
  })
  it('is partial when one dataset stays empty', async () => {
    await poll()
    now += HOUR_MS
    await fault('empty_result', { times: 1000, match: 'httpRequestsAdaptiveGroups' })
    expect(await poll()).toMatchObject({ outcome: 'partial', reason: 'dataset_empty' })
  })
  it('is partial when the token has lost one of the zones, and the others are read', async () => {
    token = simulator.issueToken({ scope: 'read', zones: ['northwind-bakery.example', 'harbor-yoga.example'] })
    expect(await poll()).toMatchObject({ outcome: 'partial', reason: 'provider_zone_forbidden' })
    expect(store.requests('hourly').length).toBeGreaterThan(700)
  })
  it('is throttled with the wait that the provider gave, and keeps what was read', async () => {
    await fault('rate_limited', { match: 'httpRequestsAdaptiveGroups(', retry_after: 77 })
    expect(await poll()).toMatchObject({ outcome: 'throttled', retryAfterMs: 77_000 })
    expect(store.requests('daily').length).toBeGreaterThan(360)
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
    await fault(kind, { match: 'Hourly(' })
    await expect(poll()).rejects.toMatchObject({ code })
  })
  it('that hangs is provider_timeout', async () => {
    await fault('timeout', { match: 'Settings(' })
    await expect(poll(100)).rejects.toMatchObject({ code: 'provider_timeout' })
  })
  it('is provider_forbidden when no zone may be read', async () => {
    token = simulator.issueToken({ scope: 'without_analytics' })
    await expect(poll()).rejects.toMatchObject({ code: 'provider_forbidden' })
  })
  it('is page_repeated when a page comes twice', async () => {
    await fault('repeated_page', { match: 'httpRequestsAdaptiveGroups', times: 1000 })
    await expect(poll()).rejects.toMatchObject({ code: 'page_repeated' })
  })
  it('never carries the provider’s words or the token', async () => {
    await fault('unauthorized')
    const error = await poll().catch((caught: unknown) => caught)
    expect(JSON.stringify([String(error), error, error instanceof Error ? error.stack : ''])).not.toContain(token)
  })
})

describe('retryAfter', () => {
  it('reads seconds and dates, bounds both, and has a default', () => {
    expect(retryAfter('30', START, 300_000)).toBe(30_000)
    expect(retryAfter(new Date(START + 5000).toUTCString(), START, 300_000)).toBe(5000)
    expect(retryAfter('0', START, 300_000)).toBe(1000)
    expect(retryAfter('999999', START, 300_000)).toBe(3_600_000)
    expect(retryAfter(null, START, 300_000)).toBe(300_000)
    expect(retryAfter('soon', START, 300_000)).toBe(300_000)
  })
})
