import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SiteId } from '../../../domain/contracts/ids.ts'
import type { MetricName } from '../../../domain/metrics/definitions.ts'
import { type SupabaseSimulator, startSupabaseSimulator } from '../../../local/simulators/supabase/simulator.ts'
import { DAY_MS, HOUR_MS, World } from '../../../local/simulators/supabase/world.ts'
import type { Chunk, DatasetName, Fact, Look, PolledSite, ProviderAccess } from './provider.ts'
import { pollSupabase } from './supabase.ts'

const SEED = 11
const START = Date.UTC(2026, 10, 24, 10, 30)
const HOUR = Date.UTC(2026, 10, 24, 10)
const world = new World(SEED)
const BAKERY = 0
const YOGA = 1
const CYCLES = 2
const siteId = (index: number) => SiteId.parse(`00000000-0000-4000-8000-00000000000${index}`)
const refOf = (index: number) => world.projects[index]?.ref ?? expect.fail()

let simulator: SupabaseSimulator
let now: number
let token: string
let facts: Map<string, Fact>
let sites: PolledSite[]
let cursors: Map<string, number>
/** Open findings, with when they appeared. */
let open: Map<string, number>

beforeEach(async () => {
  now = START
  simulator = await startSupabaseSimulator({ seed: SEED, log: () => {}, now: () => now })
  token = simulator.issueReadKey()
  facts = new Map()
  cursors = new Map()
  open = new Map()
  sites = world.projects.map(({ ref }, index) => site(index, ref))
})
afterEach(() => simulator.stop())

function site(index: number, providerRef: string): PolledSite {
  const id = siteId(index)
  return {
    id,
    providerRef,
    timeZone: 'UTC',
    currencies: [],
    get cursors() {
      return { hourly: cursors.get(`${id} hourly`) ?? null, daily: cursors.get(`${id} daily`) ?? null }
    },
  }
}

/** As plainly as Postgres keeps them: one fact a key, the last one written. */
async function store({ siteId: id, dataset, facts: own, completeUntil }: Chunk): Promise<void> {
  if (completeUntil !== null) cursors.set(`${id} ${dataset}`, completeUntil)
  for (const fact of own) facts.set(`${id} ${dataset} ${fact.metric} ${fact.windowStart}`, fact)
}
/** As the store does with a look: what was seen stays open, and of a kind seen whole what was not is resolved. */
async function storeFindings({ siteId: id, findings, whole, at }: Look): Promise<void> {
  const seen = new Set(findings.map(({ kind, subject }) => `${id} ${kind} ${subject}`))
  for (const key of seen) if (!open.has(key)) open.set(key, at)
  for (const key of open.keys()) {
    if (!seen.has(key) && whole.some((kind) => key.startsWith(`${id} ${kind} `))) open.delete(key)
  }
}
const factAt = (index: number, dataset: DatasetName, metric: MetricName, windowStart: number) =>
  facts.get(`${siteId(index)} ${dataset} ${metric} ${windowStart}`)
const metricsOf = (index: number) => [
  ...new Set([...facts].flatMap(([key, { metric }]) => (key.startsWith(siteId(index)) ? [metric] : []))),
]

async function control(path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${simulator.controlUrl}/${path}`, { method: 'POST', body: JSON.stringify(body) })
  expect(answer.status).toBe(200)
}
const fault = (kind: string, more: Record<string, unknown> = {}) => control('faults', { kind, ...more })

function poll(more: Partial<ProviderAccess> = {}) {
  const clock = async () => now
  const access: ProviderAccess = {
    apiUrl: simulator.apiUrl,
    fetch: (url, init) => fetch(url, init),
    clock,
    authorization: () => `Bearer ${token}`,
    acquire: async () => {},
    wait: async () => {},
    ...more,
  }
  return pollSupabase(access, sites, { clock, store, storeFindings })
}

describe('a reading', () => {
  it('belongs to the hour in which it was taken, each with its source', async () => {
    expect(await poll()).toEqual({ state: 'complete', reason: null, facts: 58, retryAfterMs: undefined })
    const { databaseBytes, connections, slowStatements } = world.reading(world.projects[BAKERY] ?? expect.fail(), START)
    const complete = { sampling: 1, completeness: 'complete', currency: null }
    const hour = { windowStart: HOUR, windowEnd: HOUR + HOUR_MS }
    const ofHour = (metric: MetricName) => factAt(BAKERY, 'hourly', metric, HOUR)
    expect(ofHour('database_bytes')).toEqual({
      ...{ ...complete, ...hour, metric: 'database_bytes', unit: 'bytes' },
      ...{ value: databaseBytes, source: 'supabase.database' },
    })
    expect(ofHour('database_connections')?.value).toBe(connections)
    expect(ofHour('database_connection_limit')?.value).toBe(60)
    expect(ofHour('slow_statements')).toMatchObject({
      value: slowStatements,
      source: 'supabase.pg_stat_statements',
    })
  })

  it('is replaced by a later one of the same hour, and never doubled', async () => {
    await poll()
    const before = [facts.size, factAt(BAKERY, 'hourly', 'database_bytes', HOUR)?.value]
    await poll()
    expect([facts.size, factAt(BAKERY, 'hourly', 'database_bytes', HOUR)?.value]).toEqual(before)
    now += 20 * 60_000
    await poll()
    expect(facts.size).toBe(before[0])
    expect(factAt(BAKERY, 'hourly', 'database_bytes', HOUR)?.value).not.toBe(before[1])
  })

  it('of statements is left out where pg_stat_statements is not installed', async () => {
    await poll()
    expect(metricsOf(CYCLES)).toContain('database_bytes')
    expect(metricsOf(CYCLES)).not.toContain('slow_statements')
  })
})

describe('what is found', () => {
  const openOf = (index: number) =>
    [...open.keys()].filter((key) => key.startsWith(siteId(index))).map((key) => key.slice(siteId(index).length + 1))
  const lintsAt = (index: number, at: number) =>
    world.lints(world.projects[index] ?? expect.fail(), at).map(({ lint, subject }) => `${lint} ${subject}`)

  it('are lints and slow statements, which appear and disappear as the project has them', async () => {
    await poll()
    const statements = world
      .slowest(world.projects[BAKERY] ?? expect.fail(), START)
      .map(({ id }) => `slow_statement ${id}`)
    expect(openOf(BAKERY).sort()).toEqual([...lintsAt(BAKERY, START), ...statements].sort())
    now += 7 * DAY_MS
    await poll()
    const later = openOf(BAKERY).filter((key) => !key.startsWith('slow_statement'))
    expect(later.sort()).toEqual([...lintsAt(BAKERY, now)].sort())
    expect(lintsAt(BAKERY, now)).not.toEqual(lintsAt(BAKERY, START))
    const stayed = lintsAt(BAKERY, now).find((lint) => lintsAt(BAKERY, START).includes(lint)) ?? expect.fail()
    expect([open.get(`${siteId(BAKERY)} ${stayed}`), [...open.values()].includes(now)]).toEqual([START, true])
  })

  it.each(['server_error', 'empty_result', 'partial', 'cut', 'repeated_page'])(
    'is not taken for resolved by a look that met %s, which leaves the run partial and is made again',
    async (kind) => {
      await poll()
      const before = openOf(BAKERY)
      now += 7 * DAY_MS
      await fault(kind, { match: `${refOf(BAKERY)}/database/query/read-only {"query":"with relation` })
      expect(await poll()).toMatchObject({ state: 'partial', reason: 'project_unread' })
      expect(openOf(BAKERY)).toEqual(expect.arrayContaining(before.filter((key) => !key.startsWith('slow_statement'))))
      expect(factAt(BAKERY, 'hourly', 'database_bytes', Math.floor(now / HOUR_MS) * HOUR_MS)).toBeDefined()
      await poll()
      expect(openOf(BAKERY)).toEqual(expect.arrayContaining(lintsAt(BAKERY, now)))
    },
  )

  it('is looked for when an hour is over, with at most five requests a project, and with three between', async () => {
    const asked = async () => {
      let calls = 0
      const counted: ProviderAccess['fetch'] = (url, init) => {
        calls += 1
        return fetch(url, init)
      }
      await poll({ fetch: counted })
      return calls
    }
    sites = sites.slice(BAKERY, BAKERY + 1)
    expect(await asked()).toBe(5)
    expect(await asked()).toBe(3)
    now = HOUR + HOUR_MS + 4 * 60_000
    expect(await asked()).toBe(3)
    now += 60_000
    expect(await asked()).toBe(5)
  })
})

describe('errors of edge functions', () => {
  const worldErrors = (hour: number) => world.functionErrors(world.projects[BAKERY] ?? expect.fail(), hour) ?? 0
  const stored = () =>
    [...facts].flatMap(([key, { windowStart, value }]) =>
      key.startsWith(`${siteId(BAKERY)} hourly function_errors`) ? [[windowStart, value]] : [],
    )

  it('are counted for each hour that is over, a day back at first, and are exact whatever a call met', async () => {
    const kinds = ['server_error', 'empty_result', 'partial', 'cut', 'invalid_json', 'repeated_page']
    sites = sites.slice(BAKERY, BAKERY + 1)
    for (let step = 0; step <= 40; step += 1) {
      const kind = step % 2 === 0 ? undefined : kinds[((step - 1) / 2) % kinds.length]
      if (kind !== undefined) await fault(kind, { match: `${refOf(BAKERY)}/analytics` })
      await poll()
      now += HOUR_MS
    }
    const [first, last] = [HOUR - 24 * HOUR_MS, HOUR + 40 * HOUR_MS]
    const golden = Array.from({ length: (last - first) / HOUR_MS }, (_, index) => first + index * HOUR_MS)
    expect(stored()).toEqual(golden.map((hour) => [hour, worldErrors(hour)]))
  })

  it('are no figure at all for a token that may not read logs, whose run is whole', async () => {
    token = simulator.issueToken('without_logs')
    expect(await poll()).toMatchObject({ state: 'complete' })
    expect(metricsOf(BAKERY)).not.toContain('function_errors')
    expect(open.size).toBeGreaterThan(0)
  })
})

describe('a paused project', () => {
  it('is no failure: it is stored as not active, and its database is not asked', async () => {
    expect(await poll()).toMatchObject({ state: 'complete' })
    expect(metricsOf(YOGA)).toEqual(['project_active'])
    expect(factAt(YOGA, 'hourly', 'project_active', HOUR)).toMatchObject({ value: 0, source: 'supabase.projects' })
    expect(factAt(BAKERY, 'hourly', 'project_active', HOUR)?.value).toBe(1)
    await control('status', { ref: refOf(YOGA), status: 'ACTIVE_UNHEALTHY' })
    await poll()
    expect(factAt(YOGA, 'hourly', 'project_active', HOUR)?.value).toBe(1)
    expect(metricsOf(YOGA)).toContain('database_bytes')
  })
  it('alone behind a token makes a run that is whole', async () => {
    for (const { ref } of world.projects) await control('status', { ref, status: 'INACTIVE' })
    expect(await poll()).toMatchObject({ state: 'complete', facts: 3 })
  })
})

describe('a run that is not whole', () => {
  it.each([
    ['forbidden', 'project_forbidden'],
    ['server_error', 'project_unread'],
    ['empty_result', 'project_unread'],
    ['cut', 'project_unread'],
  ])('is partial when one database is %s, and the others are read', async (kind, reason) => {
    await fault(kind, { match: `${refOf(BAKERY)}/database` })
    expect(await poll()).toMatchObject({ state: 'partial', reason })
    expect(metricsOf(BAKERY)).toEqual(['project_active'])
    expect(metricsOf(CYCLES)).toContain('database_bytes')
  })
  it('takes a reading from another hour for none', async () => {
    await poll()
    now += HOUR_MS
    await fault('repeated_page', { match: `${refOf(BAKERY)}/database` })
    expect(await poll()).toMatchObject({ state: 'partial', reason: 'project_unread' })
    expect(factAt(BAKERY, 'hourly', 'database_bytes', HOUR + HOUR_MS)).toBeUndefined()
  })
  it('is partial when a project is gone, and the others are read', async () => {
    await control('status', { ref: refOf(BAKERY), status: 'REMOVED' })
    expect(await poll()).toMatchObject({ state: 'partial', reason: 'site_missing' })
    expect(metricsOf(CYCLES)).toContain('database_bytes')
  })
  it('is partial, and not empty, when the token reaches none of the projects that it had', async () => {
    await fault('empty_result', { match: '/v1/projects ' })
    expect(await poll()).toMatchObject({ state: 'partial', reason: 'site_missing' })
  })
  it('is throttled with the wait that Supabase gave, and keeps what was read', async () => {
    await fault('rate_limited', { match: `${refOf(CYCLES)}/database`, retry_after: 7 })
    expect(await poll()).toMatchObject({ state: 'throttled', retryAfterMs: 7000 })
    expect(metricsOf(BAKERY)).toContain('database_bytes')
  })
})

describe('a call that fails', () => {
  it.each([
    ['unauthorized', 'provider_unauthorized'],
    ['forbidden', 'provider_forbidden'],
    ['server_error', 'provider_server_error'],
    ['cut', 'provider_unreachable'],
    ['invalid_json', 'provider_reply_invalid'],
  ])('%s of the list is %s', async (kind, code) => {
    await fault(kind, { match: '/v1/projects ' })
    await expect(poll()).rejects.toMatchObject({ code })
  })
  it('of every database is the token’s: one that may not read them is provider_forbidden', async () => {
    token = simulator.issueToken('projects_alone')
    await expect(poll()).rejects.toMatchObject({ code: 'provider_forbidden' })
    expect(metricsOf(BAKERY)).toEqual(['project_active'])
  })
  it('never carries the provider’s words or the token', async () => {
    await control('tokens/revoke', { token })
    const error = await poll().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'provider_unauthorized' })
    expect(JSON.stringify([String(error), error, error instanceof Error ? error.stack : ''])).not.toContain(token)
  })
})
