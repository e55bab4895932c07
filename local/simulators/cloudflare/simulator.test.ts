import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  DailyReply,
  HourlyReply,
  SettingsReply,
  TokenVerification,
  ZonesPage,
} from '../../../domain/providers/cloudflare/schemas.ts'
import { type CloudflareSimulator, startCloudflareSimulator } from './simulator.ts'
import { HOUR_MS, World } from './world.ts'

const NOW = Date.UTC(2026, 10, 24, 10, 30)
const HOURLY = `query ($zone: string!, $from: Time!, $to: Time!, $limit: uint64!) { viewer { zones(filter: {zoneTag: $zone}) {
  groups: httpRequestsAdaptiveGroups(filter: {datetime_geq: $from, datetime_lt: $to}, limit: $limit, orderBy: [datetimeHour_ASC]) {
    count dimensions { datetimeHour } sum { visits edgeResponseBytes } avg { sampleInterval } } } } }`
const DAILY = `query ($zone: string!, $from: Date!, $to: Date!) { viewer { zones(filter: {zoneTag: $zone}) {
  groups: httpRequests1dGroups(filter: {date_geq: $from, date_lt: $to}, limit: 100, orderBy: [date_ASC]) {
    dimensions { date } uniq { uniques } sum { requests bytes cachedBytes threats
      responseStatusMap { edgeResponseStatus requests } countryMap { clientCountryName requests } } } } } }`

let simulator: CloudflareSimulator
let token: string
let zone: string

beforeEach(async () => {
  simulator = await startCloudflareSimulator({ seed: 7, log: () => {}, now: () => NOW })
  token = simulator.issueToken({ scope: 'read' })
  zone = new World(7).zones[0]?.id ?? ''
})
afterEach(() => simulator.stop())

async function get(path: string, bearer = token) {
  const answer = await fetch(simulator.apiUrl + path, { headers: { authorization: `Bearer ${bearer}` } })
  return { status: answer.status, headers: answer.headers, body: await answer.json() }
}
async function graphql(query: string, variables: Record<string, unknown> = {}, bearer = token) {
  const answer = await fetch(`${simulator.apiUrl}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  return { status: answer.status, headers: answer.headers, body: await answer.json() }
}
async function control(method: string, path: string, body?: unknown) {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
  const answer = await fetch(`${simulator.controlUrl}/${path}`, init)
  expect(answer.status).toBe(200)
  return answer.json()
}
const hourly = (from: number, to: number, limit = 1000) =>
  graphql(HOURLY, { zone, from: new Date(from).toISOString(), to: new Date(to).toISOString(), limit })

describe('tokens', () => {
  it('have the shape that Cloudflare gives and verify', async () => {
    expect(token).toMatch(/^cfut_[A-Za-z0-9_-]{40}$/)
    const { status, body } = await get('/user/tokens/verify')
    expect(status).toBe(200)
    expect(TokenVerification.parse(body).result.status).toBe('active')
  })
  it('of an account verify at their account alone', async () => {
    const account = simulator.issueToken({ scope: 'read', kind: 'account' })
    expect(account).toMatch(/^cfat_/)
    const { zones } = await control('GET', 'zones')
    expect((await get(`/accounts/${zones[0].account_id}/tokens/verify`, account)).status).toBe(200)
    expect((await get('/user/tokens/verify', account)).status).toBe(401)
  })
  it('survive a restart of the simulator on the same state directory', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'fw-connector-'))
    const first = await startCloudflareSimulator({ seed: 7, log: () => {}, stateDir })
    const kept = first.issueToken({ scope: 'read' })
    await first.stop()
    const second = await startCloudflareSimulator({ seed: 7, log: () => {}, stateDir })
    const answer = await fetch(`${second.apiUrl}/user/tokens/verify`, { headers: { authorization: `Bearer ${kept}` } })
    expect(answer.status).toBe(200)
    await second.stop()
    rmSync(stateDir, { recursive: true })
  })
  it('that are forged, revoked or malformed are refused with Cloudflare’s codes', async () => {
    const forged = `${token.slice(0, -4)}AAAA`
    expect(await get('/zones', forged)).toMatchObject({ status: 403, body: { errors: [{ code: 9109 }] } })
    expect(await get('/user/tokens/verify', forged)).toMatchObject({ status: 401, body: { errors: [{ code: 1000 }] } })
    expect(await graphql('{ viewer { zones { zoneTag } } }', {}, forged)).toMatchObject({
      status: 403,
      body: { errors: [{ code: 10000 }] },
    })
    expect(await get('/zones', 'short')).toMatchObject({ status: 400, body: { errors: [{ code: 6003 }] } })
    await control('POST', 'tokens/revoke', { token })
    expect((await get('/zones')).status).toBe(403)
  })
})

describe('zones', () => {
  it('are paged and carry the permissions of the token', async () => {
    const page = ZonesPage.parse((await get('/zones?per_page=5&page=1')).body)
    expect(page.result.map(({ name }) => name)).toEqual([
      'northwind-bakery.example',
      'harbor-yoga.example',
      'atlas-cycles.example',
    ])
    expect(page.result[0]?.permissions).toEqual(['#analytics:read', '#zone:read'])
    expect(ZonesPage.parse((await get('/zones?per_page=5&page=2')).body).result).toEqual([])
  })
  it('are only those that the token was issued for', async () => {
    const one = simulator.issueToken({ scope: 'edit', zones: ['harbor-yoga.example'] })
    const { result } = ZonesPage.parse((await get('/zones', one)).body)
    expect(result).toHaveLength(1)
    expect(result[0]?.permissions).toContain('#zone:edit')
    expect(await graphql(DAILY, { zone, from: '2026-11-01', to: '2026-11-02' }, one)).toMatchObject({
      status: 200,
      body: { data: null, errors: [{ extensions: { code: 'authz' } }] },
    })
  })
})

describe('GraphQL', () => {
  it('answers hours and days that add up, with the current ones counted as far as they are over', async () => {
    const day = Date.UTC(2026, 10, 23)
    const hours = HourlyReply.parse((await hourly(day, day + 24 * HOUR_MS)).body).data?.viewer?.zones[0]?.groups ?? []
    const daily = await graphql(DAILY, { zone, from: '2026-11-23', to: '2026-11-25' })
    const days = DailyReply.parse(daily.body).data?.viewer?.zones[0]?.groups ?? []
    expect(hours).toHaveLength(24)
    expect(days.map(({ dimensions }) => dimensions.date)).toEqual(['2026-11-23', '2026-11-24'])
    expect(hours.reduce((sum, { count }) => sum + count, 0)).toBe(days[0]?.sum.requests)
  })
  it('is the same world for the same seed and another for another', () => {
    const [one, same, other] = [new World(7), new World(7), new World(8)].map((world) => {
      const [first] = world.zones
      return first === undefined ? undefined : world.hour(first, Date.UTC(2026, 0, 1, 12), NOW)
    })
    expect(one).toEqual(same)
    expect(one).not.toEqual(other)
  })
  it('counts the last of an hour minutes after its end, and its day with it', () => {
    const world = new World(7)
    const end = Date.UTC(2026, 10, 24)
    const [first] = world.zones
    const asOf = (now: number) =>
      first && [world.hour(first, end - HOUR_MS, now)?.requests, world.day(first, end - 24 * HOUR_MS, now)?.requests]
    const [atItsEnd, settled, later] = [asOf(end), asOf(end + 10 * 60_000), asOf(end + 24 * HOUR_MS)]
    expect(settled).toEqual(later)
    expect(atItsEnd?.[0]).toBeLessThan(settled?.[0] ?? 0)
    expect(atItsEnd?.[1]).toBeLessThan(settled?.[1] ?? 0)
  })
  it('gives the settings that bound a backfill', async () => {
    const fields = 'enabled notOlderThan maxDuration maxPageSize maxNumberOfFields'
    const query = `query ($zones: [string!]) { viewer { zones(filter: {zoneTag_in: $zones}) { zoneTag settings {
      httpRequestsAdaptiveGroups { ${fields} } httpRequests1hGroups { ${fields} } httpRequests1dGroups { ${fields} } } } } }`
    const { body } = await graphql(query, { zones: [zone] })
    expect(SettingsReply.parse(body).data?.viewer?.zones[0]?.settings.httpRequestsAdaptiveGroups.enabled).toBe(true)
  })
  it('refuses an unknown field, a syntax error and a query without a zone', async () => {
    const unknown = await graphql(`{ viewer { zones(filter: {zoneTag: "${zone}"}) { secrets } } }`)
    expect(unknown.body.errors[0].message).toBe('unknown field "secrets"')
    expect((await graphql('{ viewer')).body.errors).toHaveLength(1)
    expect((await graphql('{ viewer { zones { zoneTag } } }')).body.data).toBeNull()
  })
  it('refuses windows that are too old or too wide, pages that are too large and more than ten zones', async () => {
    const day = 24 * HOUR_MS
    const message = async (answer: ReturnType<typeof graphql>) => (await answer).body.errors[0]
    expect(await message(hourly(NOW - 40 * day, NOW - 39 * day))).toMatchObject({ extensions: { code: 'quota' } })
    expect((await message(hourly(NOW - 5 * day, NOW))).message).toMatch(/time range is too large/)
    expect((await message(hourly(NOW - day, NOW, 10_001))).message).toMatch(/limit must be positive/)
    const many = await graphql('query ($z: [string!]) { viewer { zones(filter: {zoneTag_in: $z}) { zoneTag } } }', {
      z: Array.from({ length: 11 }, () => zone),
    })
    expect(many.body.errors[0].message).toMatch(/number of zones/)
  })
  it('refuses the 301st query within five minutes, and takes it after them by the settable clock', async () => {
    const query = `{ viewer { zones(filter: {zoneTag: "${zone}"}) { zoneTag } } }`
    for (let count = 0; count < 300; count += 1) expect((await graphql(query)).status).toBe(200)
    const refused = await graphql(query)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBe(300)
    await control('POST', 'clock', { offset_ms: 300_001 })
    expect((await graphql(query)).status).toBe(200)
  })
})

describe('faults', () => {
  const ask = () => hourly(NOW - 24 * HOUR_MS, NOW)
  const rows = async () => HourlyReply.parse((await ask()).body).data?.viewer?.zones[0]?.groups ?? []

  it('strike as often as asked and only what they match', async () => {
    await control('POST', 'faults', {
      kind: 'server_error',
      times: 2,
      match: 'httpRequestsAdaptiveGroups',
      status: 500,
    })
    expect((await get('/zones')).status).toBe(200)
    expect([(await ask()).status, (await ask()).status, (await ask()).status]).toEqual([500, 500, 200])
  })
  it('refuse, throttle, cut, hang and garble', async () => {
    await control('POST', 'faults', { kind: 'unauthorized' })
    await control('POST', 'faults', { kind: 'forbidden' })
    await control('POST', 'faults', { kind: 'rate_limited', retry_after: 30 })
    expect((await ask()).status).toBe(401)
    expect((await ask()).status).toBe(403)
    const throttled = await ask()
    expect([throttled.status, throttled.headers.get('retry-after')]).toEqual([429, '30'])
    await control('POST', 'faults', { kind: 'cut' })
    await expect(ask()).rejects.toThrow()
    await control('POST', 'faults', { kind: 'invalid_json' })
    await expect(ask()).rejects.toThrow(SyntaxError)
    await control('POST', 'faults', { kind: 'timeout' })
    await expect(fetch(`${simulator.apiUrl}/zones`, { signal: AbortSignal.timeout(50) })).rejects.toThrow()
  })
  it('bend an answer: a repeated page, an empty one, half of one', async () => {
    const whole = await rows()
    await control('POST', 'faults', { kind: 'empty_result' })
    expect(await rows()).toEqual([])
    await control('POST', 'faults', { kind: 'partial' })
    expect((await rows()).length).toBe(whole.length / 2)
    await control('POST', 'faults', { kind: 'repeated_page' })
    const repeated = HourlyReply.parse((await hourly(NOW - 12 * HOUR_MS, NOW)).body).data?.viewer?.zones[0]?.groups
    expect(repeated).toEqual(whole.slice(0, 12))
  })
  it('end with DELETE', async () => {
    await control('POST', 'faults', { kind: 'forbidden', times: 5 })
    await control('DELETE', 'faults')
    expect((await ask()).status).toBe(200)
  })
})

describe('the list of requests', () => {
  it('T2: hides the authorization header unless it is asked for', async () => {
    await get('/zones')
    expect(JSON.stringify(await control('GET', 'requests'))).not.toContain(token)
    const shown = await control('GET', 'requests?authorization=shown')
    expect(shown.requests[0]).toMatchObject({ path: '/client/v4/zones', authorization: `Bearer ${token}` })
  })
})
