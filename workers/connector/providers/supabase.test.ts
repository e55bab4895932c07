import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SiteId } from '../../../domain/contracts/ids.ts'
import type { MetricName } from '../../../domain/metrics/definitions.ts'
import { type SupabaseSimulator, startSupabaseSimulator } from '../../../local/simulators/supabase/simulator.ts'
import { HOUR_MS, World } from '../../../local/simulators/supabase/world.ts'
import type { Chunk, DatasetName, Fact, PolledSite, ProviderAccess } from './provider.ts'
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

beforeEach(async () => {
  now = START
  simulator = await startSupabaseSimulator({ seed: SEED, log: () => {}, now: () => now })
  token = simulator.issueReadKey()
  facts = new Map()
  sites = world.projects.map(({ ref }, index) => site(index, ref))
})
afterEach(() => simulator.stop())

function site(index: number, providerRef: string): PolledSite {
  const cursors = { hourly: null, daily: null }
  return { id: siteId(index), providerRef, timeZone: 'UTC', currencies: [], cursors }
}

/** As plainly as Postgres keeps them: one fact a key, the last one written. */
async function store({ siteId: id, dataset, facts: own, completeUntil }: Chunk): Promise<void> {
  expect(completeUntil).toBeNull()
  for (const fact of own) facts.set(`${id} ${dataset} ${fact.metric} ${fact.windowStart}`, fact)
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
  return pollSupabase(access, sites, { clock, store })
}

describe('a reading', () => {
  it('belongs to the hour in which it was taken, each with its source', async () => {
    expect(await poll()).toEqual({ state: 'complete', reason: null, facts: 10, retryAfterMs: undefined })
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
