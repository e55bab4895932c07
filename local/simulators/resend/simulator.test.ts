import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { resendGrading } from '../../../domain/providers/resend/grading.ts'
import { success } from '../../../domain/result.ts'
import published from './openapi.json' with { type: 'json' }
import { type ResendSimulator, startResendSimulator } from './simulator.ts'
import { DAY_MS, World } from './world.ts'

const NOW = Date.UTC(2026, 10, 24, 10, 30)
const SEED = 7
const world = new World(SEED)

let simulator: ResendSimulator
let now: number
let key: string

beforeEach(async () => {
  now = NOW
  simulator = await startResendSimulator({ seed: SEED, log: () => {}, now: () => now })
  key = simulator.issueReadKey()
})
afterEach(() => simulator.stop())

async function get(path: string, headers: Record<string, string> = { authorization: `Bearer ${key}` }) {
  now += 1000
  const answer = await fetch(simulator.apiUrl + path, { headers })
  return { status: answer.status, headers: answer.headers, body: await answer.json() }
}

/** As Resend publishes it; in its own examples a list's email has nulls that its schema leaves out. */
function expectPublished(name: keyof (typeof published)['$defs'], body: unknown): void {
  const schema = z.fromJSONSchema({ $ref: `#/$defs/${name}`, $defs: published.$defs } as z.core.JSONSchema.JSONSchema)
  const withoutNulls: unknown = JSON.parse(JSON.stringify(body), (_, value) => (value === null ? undefined : value))
  expect(schema.safeParse(withoutNulls)).toMatchObject({ success: true })
}

describe('the shapes of its answers', () => {
  const domain = world.domains[1]
  const path = `/emails/metrics?start_date=2026-11-01&dimensions=period,domain&domain_id=${domain?.id}`
  it.each([
    ['ListEmailsResponse', '/emails'],
    ['ListDomainsResponse', '/domains'],
    ['Domain', `/domains/${domain?.id}`],
    ['GetEmailsMetricsResponse', path],
    ['GetEmailsMetricsResponse', '/emails/metrics'],
  ] as const)('are those that Resend publishes: %s at %s', async (name, at) => {
    const { status, body } = await get(at)
    expect(status).toBe(200)
    expectPublished(name, body)
  })
  it('are refused by the published schema when they are not', () => {
    expect(() => expectPublished('ListDomainsResponse', { object: 'list', has_more: 'no', data: [] })).toThrow()
    expect(() => expectPublished('Domain', { status: 'fine' })).toThrow()
  })
  it('of one email say how it stands now', async () => {
    const { data } = (await get('/emails?limit=1')).body
    const { body } = await get(`/emails/${data[0].id}`)
    expect(body).toMatchObject({ object: 'email', id: data[0].id, created_at: data[0].created_at })
    expectPublished('Email', body)
    now = NOW - 30 * DAY_MS
    expect(await get(`/emails/${data[0].id}`)).toMatchObject({ status: 404, body: { name: 'not_found' } })
  })
})

describe('what may be done', () => {
  const act = async (method: string, path: string) => {
    now += 1000
    const answer = await fetch(simulator.apiUrl + path, { method, headers: { authorization: `Bearer ${key}` } })
    return { status: answer.status, body: await answer.json() }
  }
  it('is to have a domain verified, in the published shape', async () => {
    const { status, body } = await act('POST', `/domains/${world.domains[0]?.id}/verify`)
    expect([status, body]).toEqual([200, { object: 'domain', id: world.domains[0]?.id }])
    expectPublished('VerifyDomainResponse', body)
    expect(await act('POST', '/domains/00000000-0000-4000-8000-000000000000/verify')).toMatchObject({ status: 404 })
    expect(await act('DELETE', `/domains/${world.domains[0]?.id}`)).toMatchObject({ status: 405 })
  })
  it('is to take whoever bounced or complained off the list, once, by id or by address', async () => {
    const { body } = await act('GET', '/suppressions?limit=100')
    expectPublished('ListSuppressionsResponseSuccess', body)
    expect([body.has_more, new Set(body.data.map(({ id }: { id: string }) => id)).size]).toEqual([true, 100])
    const [one, other] = body.data
    const removed = await act('DELETE', `/suppressions/${one.id}`)
    expectPublished('RemoveSuppressionResponseSuccess', removed.body)
    expect(removed.body).toEqual({ object: 'suppression', id: one.id, deleted: true })
    expect(await act('DELETE', `/suppressions/${one.id}`)).toMatchObject({ status: 404 })
    const found = await act('GET', `/suppressions/${encodeURIComponent(other.email)}`)
    expectPublished('GetSuppressionResponseSuccess', found.body)
    expect(found.body).toMatchObject({ ...other, object: 'suppression' })
    expect((await act('GET', '/suppressions')).body.data[0]).toEqual(other)
  })
})

describe('keys', () => {
  it('look like real ones; one that can only send is told so, by the documented 401', async () => {
    expect(key).toMatch(/^re_[0-9a-f]{8}_[0-9a-f]{24}$/)
    key = simulator.issueKey('sending_access')
    expect(await get('/domains')).toMatchObject({
      status: 401,
      body: { statusCode: 401, name: 'restricted_api_key', message: 'This API key is restricted to only send emails' },
    })
  })
  it('T5: are graded by what the simulator lets them do', async () => {
    const graded = async (secret: string) => {
      const shape = resendGrading.judgeShape(secret)
      if (!shape.ok) return shape
      return shape.value(async ({ path }) => {
        const { status, body } = await get(path, { authorization: `Bearer ${secret}` })
        return success({ status, value: body })
      })
    }
    const full = await graded(key)
    expect(full).toMatchObject({ ok: true, value: { grade: 'over_scoped' } })
    expect(full.ok && full.value.sites.map(({ name }) => name)).toEqual(world.domains.map(({ name }) => name))
    const restricted = { ok: false, code: 'credential_lacks_permission', permissions: ['Full access'] }
    expect(await graded(simulator.issueKey('sending_access'))).toEqual(restricted)
    expect(await graded(`${key.slice(0, -2)}${key.endsWith('00') ? '11' : '00'}`)).toEqual({
      ok: false,
      code: 'credential_rejected',
    })
  })
  it('that are missing, forged or revoked are refused with Resend’s codes', async () => {
    expect(await get('/domains', {})).toMatchObject({ status: 401, body: { name: 'missing_api_key' } })
    const forged = { authorization: `Bearer ${key.slice(0, -2)}${key.endsWith('00') ? '11' : '00'}` }
    expect(await get('/domains', forged)).toMatchObject({ status: 403, body: { name: 'invalid_api_key' } })
    await fetch(`${simulator.controlUrl}/keys/revoke`, { method: 'POST', body: JSON.stringify({ key }) })
    expect(await get('/domains')).toMatchObject({ status: 403, body: { name: 'invalid_api_key' } })
  })
})

describe('the rate limit', () => {
  it('is five requests a second for the team, whichever of its keys is used, and says so in each answer', async () => {
    const keys = [key, simulator.issueReadKey()]
    const ask = (index: number) =>
      fetch(`${simulator.apiUrl}/domains`, { headers: { authorization: `Bearer ${keys[index % 2]}` } })
    for (let index = 0; index < 5; index += 1) {
      const answer = await ask(index)
      expect([answer.status, answer.headers.get('ratelimit-remaining')]).toEqual([200, String(4 - index)])
    }
    const refused = await ask(5)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    expect(await refused.json()).toMatchObject({ statusCode: 429, name: 'rate_limit_exceeded' })
    expect((await get('/domains')).status).toBe(200)
  })
})

describe('pages', () => {
  it('go from the newest email back by `after`, and forth again by `before`', async () => {
    const first = (await get('/emails?limit=100')).body
    const second = (await get(`/emails?limit=100&after=${first.data.at(-1).id}`)).body
    const seen = [...first.data, ...second.data].map(({ id }: { id: string }) => id)
    expect([new Set(seen).size, first.has_more]).toEqual([200, true])
    const times = [...first.data, ...second.data].map(({ created_at }: { created_at: string }) => created_at)
    expect(times).toEqual(times.toSorted().reverse())
    const back = (await get(`/emails?limit=100&before=${second.data[0].id}`)).body
    expect(back.data.map(({ id }: { id: string }) => id)).toEqual(seen.slice(0, 100))
  })
  it('of domains are cut where they are asked to be', async () => {
    const one = (await get('/domains?limit=2')).body
    const two = (await get(`/domains?limit=2&after=${one.data[1].id}`)).body
    expect([one.has_more, two.has_more, two.data.length]).toEqual([true, false, 1])
    expect(await get('/domains?limit=101')).toMatchObject({ status: 422, body: { name: 'validation_error' } })
  })
})

describe('metrics', () => {
  it('add up to what the emails themselves say, one by one', async () => {
    const day = '2026-11-18'
    const { body } = await get(
      `/emails/metrics?start_date=${day}&end_date=${day}T23:59:59.999Z&dimensions=period,domain`,
    )
    const begin = Date.parse(day)
    const mails = world.domains.flatMap((domain) => world.mails(domain, begin))
    const listed = mails.flatMap(({ events }) => events).filter(({ name }) => name === 'bounced').length
    expect([body.totals.bounced, body.data.length]).toEqual([listed, world.domains.length])
    expect(body.totals.sent + body.totals.suppressed).toBe(mails.length)
  })
  it('refuse what they do not count instead of leaving it out', async () => {
    for (const query of [
      'metrics=opened',
      'timezone=America/New_York',
      'dimensions=broadcast',
      'start_date=yesterday',
    ]) {
      expect(await get(`/emails/metrics?${query}`)).toMatchObject({ status: 422, body: { name: 'validation_error' } })
    }
  })
  it('are clamped to what the plan keeps', async () => {
    await fetch(`${simulator.controlUrl}/retention`, { method: 'POST', body: JSON.stringify({ days: 3 }) })
    const { body } = await get('/emails/metrics?start_date=2026-01-01')
    expect(Date.parse(body.start_date)).toBe(now - 3 * DAY_MS)
  })
})
