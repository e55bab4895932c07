import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SiteId } from '../../../domain/contracts/ids.ts'
import type { MetricName } from '../../../domain/metrics/definitions.ts'
import { type CloudflareSimulator, startCloudflareSimulator } from '../../../local/simulators/cloudflare/simulator.ts'
import { DAY_MS, type DayOfTraffic, HOUR_MS, World } from '../../../local/simulators/cloudflare/world.ts'
import { readWholeHistory } from '../../../local/stands/whole-history.ts'
import { cloudflareHistory, pollCloudflare } from './cloudflare.ts'
import { listZones } from './cloudflare-zones.ts'
import {
  type Chunk,
  type DatasetName,
  type DayTop,
  type Fact,
  type PolledSite,
  type ProviderAccess,
  ProviderFailure,
} from './provider.ts'
import { retryAfter } from './request.ts'

const START = Date.UTC(2026, 10, 24, 10, 30)
const world = new World(11)
const siteIds = world.zones.map((_, index) => SiteId.parse(`00000000-0000-4000-8000-00000000000${index}`))

/** What the connector keeps in Postgres, as plainly as can be: facts and tops by key, cursors by site. */
class Store {
  readonly facts = new Map<string, Fact>()
  readonly tops = new Map<string, DayTop>()
  readonly cursors = new Map<string, number>()
  readonly chunks: Chunk[] = []
  /** Where the history of a site's dataset ends. */
  readonly until = new Map<string, number>()

  async store(chunk: Chunk): Promise<void> {
    this.chunks.push(chunk)
    for (const fact of chunk.facts) {
      const table = chunk.dataset === 'hourly_rollup' ? 'hourly' : chunk.dataset
      this.facts.set(`${chunk.siteId} ${table} ${fact.metric} ${fact.windowStart}`, fact)
    }
    for (const top of chunk.tops ?? []) this.tops.set(`${chunk.siteId} ${top.dimension} ${top.windowStart}`, top)
    if (chunk.historyUntil !== undefined) {
      this.until.set(`${chunk.siteId} ${chunk.dataset}`, chunk.historyUntil)
      this.cursors.set(`${chunk.siteId} ${chunk.dataset}`, chunk.historyUntil)
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
        cursors: {
          hourly: cursor('hourly'),
          daily: cursor('daily'),
          hourly_rollup: cursor('hourly_rollup'),
          paths: cursor('paths'),
        },
      }
    })
  }

  requests(dataset: 'hourly' | 'daily'): Fact[] {
    return this.series(dataset, 'requests')
  }

  series(dataset: 'hourly' | 'daily', metric: MetricName): Fact[] {
    return [...this.facts]
      .filter(([key]) => key.startsWith(`${siteIds[0]} ${dataset} ${metric} `))
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

const clock = async () => now

function accessTo(timeoutMs = 30_000): ProviderAccess {
  return {
    apiUrl: simulator.apiUrl,
    fetch: (url, init) => fetch(url, init),
    clock,
    authorization: () => `Bearer ${token}`,
    acquire: async () => {},
    wait: async () => {},
    timeoutMs,
  }
}

function poll(timeoutMs?: number) {
  return pollCloudflare(accessTo(timeoutMs), store.sites(), {
    clock,
    store: (chunk) => store.store(chunk),
    storeFindings: async () => {},
  })
}

/** All that lies before the first poll; how many slices that took. */
async function readHistory(datasets: readonly DatasetName[] = ['hourly', 'daily']): Promise<number> {
  let slices = 0
  const sites = store.sites()
  const history = cloudflareHistory(accessTo(), sites)
  for (const site of sites) {
    for (const dataset of datasets) {
      const until = store.until.get(`${site.id} ${dataset}`) ?? expect.fail()
      const read = await readWholeHistory(history, { site, dataset, until }, (slice) => {
        void store.store({ siteId: site.id, dataset, ...slice, completeUntil: null })
      })
      slices += read.slices
    }
  }
  return slices
}

async function pollWithHistory() {
  const report = await poll()
  await readHistory()
  return report
}

async function queries(): Promise<number> {
  const answer = await fetch(`${simulator.controlUrl}/requests`)
  const { requests } = (await answer.json()) as { requests: unknown[] }
  return requests.length
}

describe('a first poll', () => {
  it('reads two days of hours and a week of days, and says where their history ends', async () => {
    expect(await poll()).toMatchObject({ state: 'complete', reason: null })
    expect(store.requests('hourly')).toHaveLength(49)
    expect(store.requests('daily')).toHaveLength(8)
    const ends = store.requests('hourly')[0]?.windowStart
    expect(store.until.get(`${siteIds[0]} hourly`)).toBe(ends)
    expect(store.until.size).toBe(4 * world.zones.length)
    now += HOUR_MS
    store.until.clear()
    await poll()
    expect(store.until.size).toBe(0)
  })
})

describe('a first poll and the history before it', () => {
  it('are what the provider keeps, hour by hour and day by day, and say which windows are not over', async () => {
    expect(await pollWithHistory()).toMatchObject({ state: 'complete', reason: null })
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
  it('L1: are the same whatever goes wrong meanwhile, and read again change nothing', async () => {
    await pollWithHistory()
    const whole = new Map(store.facts)
    store = new Store()
    await poll()
    for (const kind of ['empty_result', 'partial', 'empty_result', 'partial']) await fault(kind, { match: 'aily(' })
    for (const kind of ['partial', 'empty_result']) await fault(kind, { match: 'Hourly(' })
    await readHistory()
    await readHistory()
    expect(store.facts).toEqual(whole)
  })
  it('store hours that add up to their day', async () => {
    await pollWithHistory()
    const day = Date.UTC(2026, 10, 20)
    const hours = store.requests('hourly').filter(({ windowStart }) => windowStart >= day && windowStart < day + DAY_MS)
    expect(hours.reduce((sum, { value }) => sum + value, 0)).toBe(
      store.requests('daily').find(({ windowStart }) => windowStart === day)?.value,
    )
  })
  it('respect page size, window and age of the dataset, whatever they are', async () => {
    await control('limits', {
      dataset: 'httpRequestsAdaptiveGroups',
      maxPageSize: 7,
      maxDuration: 36_000,
      notOlderThan: 93_600,
    })
    expect(await pollWithHistory()).toMatchObject({ state: 'complete' })
    expect(store.requests('hourly')).toHaveLength(25)
  })
  it('reach two years of days and ninety days of hours back, whatever the plan would give', async () => {
    const tenYears = 10 * 365 * 86_400
    await control('limits', { dataset: 'httpRequests1dGroups', notOlderThan: tenYears, maxDuration: tenYears })
    await control('limits', { dataset: 'httpRequestsAdaptiveGroups', notOlderThan: tenYears, maxDuration: tenYears })
    expect(await pollWithHistory()).toMatchObject({ state: 'complete' })
    expect(store.requests('daily')[0]?.windowStart).toBeGreaterThan(START - 730 * DAY_MS)
    expect(store.requests('daily').length).toBeGreaterThan(700)
    expect(store.requests('hourly')[0]?.windowStart).toBe(
      Math.ceil((START - 90 * DAY_MS) / HOUR_MS) * HOUR_MS + HOUR_MS,
    )
  })
})

describe('a later poll', () => {
  it('goes on from the cursor and makes the last partial window complete', async () => {
    await poll()
    const before = store.facts.size
    const asked = await queries()
    now = START + HOUR_MS
    expect(await poll()).toMatchObject({ state: 'complete' })
    // Settings, and of each zone its day, its hours, and the roll-up of the hour that has settled.
    expect((await queries()) - asked).toBe(1 + 3 * world.zones.length)
    expect(store.facts.size - before).toBe((3 + 8) * world.zones.length)
    const [last, first] = [store.requests('hourly').at(-2), world.zones[0]]
    expect(last).toMatchObject({ windowStart: Date.UTC(2026, 10, 24, 10), completeness: 'complete' })
    expect(first && world.hour(first, Date.UTC(2026, 10, 24, 10), now)?.requests).toBe(last?.value)
  })
  it('asks for what waits an hour or a day no sooner than it is there', async () => {
    await poll()
    const asked = await queries()
    now = START + 10 * 60_000
    expect(await poll()).toMatchObject({ state: 'complete' })
    expect((await queries()) - asked).toBe(1 + 2 * world.zones.length)
  })
})

const FAULTS = ['empty_result', 'partial', 'server_error', 'cut', 'repeated_page', 'invalid_json', 'rate_limited']

describe('three days, polled while everything goes wrong', () => {
  it('L1: give every figure, country and path as the provider has it in its books', async () => {
    const until = now
    now -= 3 * DAY_MS
    for (let round = 0; now < until; round += 1, now += 4 * HOUR_MS) {
      const kind = FAULTS[round % FAULTS.length] ?? ''
      const match = ['Settings', 'Daily(', 'Hourly(', 'HourlyRollup(', 'Paths('][round % 5] ?? ''
      await fault(kind, { match: round % 7 === 0 || isBent(kind) ? '' : match, times: 1 + (round % 3) })
      await poll().catch((error: unknown) => expect(error).toBeInstanceOf(ProviderFailure))
      await fetch(`${simulator.controlUrl}/faults`, { method: 'DELETE' })
    }
    now = until
    expect(await poll()).toMatchObject({ state: 'complete', reason: null })
    expectBooks(until, 4)
    now += HOUR_MS
    await readHistory(['daily', 'hourly_rollup', 'paths'])
    expect(store.tops.get(`${siteIds[0]} path ${Date.UTC(2026, 9, 27)}`)?.shares).toHaveLength(25)
    expectBooks(until, 20)
  })
})

const isBent = (kind: string) => ['empty_result', 'partial', 'repeated_page'].includes(kind)

function expectBooks(until: number, days: number): void {
  const zone = world.zones[0]
  if (zone === undefined) throw new Error('the world has no zone')
  const stored = (dataset: 'hourly' | 'daily', from: number, to: number) =>
    Object.fromEntries(
      [...store.facts]
        .filter(
          ([key, { windowStart }]) =>
            key.startsWith(`${siteIds[0]} ${dataset} `) && windowStart >= from && windowStart < to,
        )
        .map(([, { metric, windowStart, value }]) => [`${metric} ${windowStart}`, value]),
    )
  const golden: Record<string, number> = {}
  const note = (begin: number, figures: Record<string, number>) => {
    for (const [metric, value] of Object.entries(figures)) golden[`${metric} ${begin}`] = value
  }
  const [firstHour, lastHour] = [until - Math.min(days, 4) * DAY_MS, Date.UTC(2026, 10, 24, 10)]
  for (let begin = Math.ceil(firstHour / HOUR_MS) * HOUR_MS; begin < lastHour; begin += HOUR_MS) {
    const hour = world.hour(zone, begin, until)
    if (hour === undefined) throw new Error('an hour without traffic')
    note(begin, { ...rolledUp(hour), requests: hour.requests, visits: hour.visits, bytes: hour.bytes })
  }
  expect(stored('hourly', firstHour, lastHour)).toEqual(golden)

  const today = Date.UTC(2026, 10, 24)
  for (const key of Object.keys(golden)) delete golden[key]
  for (let begin = today - days * DAY_MS; begin < today; begin += DAY_MS) {
    const day = world.day(zone, begin, until)
    if (day === undefined) throw new Error('a day without traffic')
    note(begin, { ...rolledUp(day), requests: day.requests, bytes: day.bytes })
    const [countries, paths] = ['country', 'path'].map((dimension) =>
      store.tops.get(`${siteIds[0]} ${dimension} ${begin}`),
    )
    expect(shown(countries)).toEqual(largest(day.countries))
    expect(shown(paths)).toEqual(largest(new Map([...day.paths].filter(([, count]) => count >= 10))))
    expect([wholeOf(countries), wholeOf(paths)]).toEqual([day.requests, day.requests])
    expect([countries?.source, paths?.source, paths?.completeness]).toEqual([
      'cloudflare.httpRequests1dGroups',
      'cloudflare.httpRequestsAdaptiveGroups',
      'complete',
    ])
  }
  expect(stored('daily', today - days * DAY_MS, today)).toEqual(golden)
}

function rolledUp({ cachedBytes, uniques, threats, statuses }: DayOfTraffic): Record<string, number> {
  const classes = [1, 2, 3, 4, 5].map((first) => {
    const own = [...statuses].filter(([status]) => Math.floor(status / 100) === first)
    return [`responses_${first}xx`, own.reduce((sum, [, count]) => sum + count, 0)]
  })
  return { cached_bytes: cachedBytes, unique_visitors: uniques, threats, ...Object.fromEntries(classes) }
}
const largest = (all: ReadonlyMap<string, number>) =>
  [...all].sort(([a, many], [b, more]) => more - many || (a < b ? -1 : 1)).slice(0, 25)
const shown = (top: DayTop | undefined) => top?.shares.map(({ key, value }) => [key, value])
const wholeOf = (top: DayTop | undefined) => top?.shares.reduce((sum, { value }) => sum + value, top.rest)

describe('the zones of a token', () => {
  it('are listed with those that were added since, and without those that are gone', async () => {
    const { sites } = await listZones(accessTo())
    await control('zones', { name: 'new-client.example' })
    await control('zones/remove', { name: 'harbor-yoga.example' })
    const later = await listZones(accessTo())
    expect([sites.length, later.whole]).toEqual([3, true])
    expect(later.sites.map(({ name }) => name)).toEqual([
      'northwind-bakery.example',
      'atlas-cycles.example',
      'new-client.example',
    ])
  })
  it('that come as an empty list are no proof that all are gone', async () => {
    for (const { name } of world.zones) await control('zones/remove', { name })
    await expect(listZones(accessTo())).rejects.toMatchObject({ code: 'provider_reply_invalid' })
  })
})

describe('a run in the first minutes of an hour', () => {
  it('reads the hour that has just ended, however the pages are cut, and calls it unfinished', async () => {
    now = Date.UTC(2026, 10, 24, 11, 2)
    await fault('partial', { times: 1000, match: 'httpRequestsAdaptiveGroups datetimeHour' })
    expect(await poll()).toMatchObject({ state: 'complete' })
    const ended = store.requests('hourly').find(({ windowStart }) => windowStart === Date.UTC(2026, 10, 24, 10))
    expect(ended).toMatchObject({ completeness: 'partial' })
  })
})

describe('a run that is not whole', () => {
  it('is partial when the plan gives fewer fields than a dataset takes, and asks for the others alone', async () => {
    await control('limits', { dataset: 'httpRequests1hGroups', maxNumberOfFields: 5 })
    expect(await poll()).toMatchObject({ state: 'partial', reason: 'dataset_fields_limited' })
    expect(store.series('hourly', 'threats')).toEqual([])
    expect(store.series('daily', 'threats')).toHaveLength(8)
  })
  it('is partial when a list of paths is cut short, which takes the place of none', async () => {
    await fault('partial', { times: 1000, match: 'clientRequestPath' })
    expect(await poll()).toMatchObject({ state: 'partial', reason: 'provider_reply_invalid' })
    expect([...store.tops.values()].filter(({ dimension }) => dimension === 'path')).toEqual([])
    expect(store.requests('hourly').length).toBeGreaterThan(40)
  })
  it('is whole without what is not in the plan', async () => {
    await control('limits', { dataset: 'httpRequests1hGroups', enabled: false })
    expect(await poll()).toMatchObject({ state: 'complete' })
    expect(store.series('hourly', 'threats')).toEqual([])
  })
  it('is empty when nothing comes, and moves no cursor into the last two days', async () => {
    await fault('empty_result', { times: 1000 })
    expect(await poll()).toMatchObject({ state: 'empty', reason: 'run_empty', facts: 0 })
    expect([...store.cursors.values()].every((cursor) => cursor <= START - 2 * DAY_MS)).toBe(true)
  })
  it('is partial when one dataset stays empty', async () => {
    await poll()
    now += HOUR_MS
    await fault('empty_result', { times: 1000, match: 'httpRequestsAdaptiveGroups' })
    expect(await poll()).toMatchObject({ state: 'partial', reason: 'dataset_empty' })
  })
  it('is partial when the token has lost one of the zones, and the others are read', async () => {
    token = simulator.issueToken({ scope: 'read', zones: ['northwind-bakery.example', 'harbor-yoga.example'] })
    expect(await poll()).toMatchObject({ state: 'partial', reason: 'provider_zone_forbidden' })
    expect(store.requests('hourly')).toHaveLength(49)
  })
  it('is throttled with the wait that the provider gave, and keeps what was read', async () => {
    await fault('rate_limited', { match: 'httpRequestsAdaptiveGroups(', retry_after: 77 })
    expect(await poll()).toMatchObject({ state: 'throttled', retryAfterMs: 77_000 })
    expect(store.requests('daily')).toHaveLength(8)
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
