import { createServer, type Server } from 'node:http'
import { cloudflareGrading } from 'domain/providers/cloudflare/grading.ts'
import { afterEach, describe, expect, test } from 'vitest'
import { probeProvider } from './ask-provider.ts'

/** A provider that answers by path; the real wire format is held to by the simulator's own tests. */
type Answers = Record<string, { status?: number; body: unknown }>
let server: Server | undefined
let seen: string[] = []

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
  seen = []
})

const ACCOUNT = 'a'.repeat(32)
const zone = (index: number, permissions?: string[]) => ({
  id: index.toString(16).padStart(32, '0'),
  name: `site-${index}.example`,
  account: { id: ACCOUNT },
  ...(permissions === undefined ? {} : { permissions }),
})
const READ = ['#zone:read', '#analytics:read']
const ok = (result: unknown, result_info?: unknown) => ({ body: { success: true, errors: [], result, result_info } })
const active = ok({ id: 't', status: 'active' })
const rejected = { status: 401, body: { success: false, errors: [{ code: 1000, message: 'Invalid API Token' }] } }

describe('the probe of a Cloudflare token', () => {
  test('T5: zones, grade and scope come from what the provider says', async () => {
    const answers = { '/user/tokens/verify': active, '/zones?page=1&per_page=50': ok([zone(1, READ), zone(2, READ)]) }
    const probe = await probeWith(answers, 'user')
    expect(probe).toMatchObject({ grade: 'read_only', scope: '2 zones: analytics:read, zone:read' })
    expect(probe.sites.map(({ name }) => name)).toEqual(['site-1.example', 'site-2.example'])
  })

  test('T5: what a token can do and does not need is told in words', async () => {
    const permissions = [...READ, '#dns_records:edit', '#cache_purge:edit', '#page_rules:read']
    const probe = await probeWith(
      { '/user/tokens/verify': active, '/zones?page=1&per_page=50': ok([zone(1, permissions)]) },
      'user',
    )
    expect(probe).toMatchObject({
      grade: 'over_scoped',
      can: ['read analytics', 'purge cache', 'edit DNS', 'read page rules', 'read zones'],
      excess: ['purge cache', 'edit DNS', 'read page rules'],
    })
  })

  test("an account's token is verified below its account", async () => {
    const answers = { [`/accounts/${ACCOUNT}/tokens/verify`]: active, '/zones?page=1&per_page=50': ok([zone(1, READ)]) }
    await probeWith(answers, 'account')
    expect(seen).not.toContain('/user/tokens/verify')
  })

  test('a legacy token may be either', async () => {
    const zones = { '/zones?page=1&per_page=50': ok([zone(1, READ)]) }
    await probeWith(
      { ...zones, '/user/tokens/verify': rejected, [`/accounts/${ACCOUNT}/tokens/verify`]: active },
      'legacy',
    )
    await probeWith({ ...zones, '/user/tokens/verify': active }, 'legacy')
  })

  test('at most 50 zones are taken, pages that repeat add none, and the scope tells how many there are', async () => {
    const page = (first: number, count: number) =>
      ok(
        Array.from({ length: count }, (_, index) => zone(first + index, READ)),
        { total_pages: 4, total_count: 90 },
      )
    const answers = {
      '/user/tokens/verify': active,
      '/zones?page=1&per_page=50': page(1, 30),
      '/zones?page=2&per_page=50': page(1, 30),
      '/zones?page=3&per_page=50': page(31, 30),
    }
    const probe = await probeWith(answers, 'user')
    expect(probe.sites).toHaveLength(50)
    expect(probe.scope).toContain('(the first 50 of 90)')
  })

  test.each([
    ['credential_rejected', { '/user/tokens/verify': rejected }],
    ['credential_rejected', { '/user/tokens/verify': ok({ id: 't', status: 'expired' }) }],
    ['credential_rejected', { '/user/tokens/verify': active, '/zones?page=1&per_page=50': { status: 403, body: {} } }],
    ['credential_without_zones', { '/user/tokens/verify': active, '/zones?page=1&per_page=50': ok([]) }],
    ['provider_rate_limited', { '/user/tokens/verify': { status: 429, body: {} } }],
    ['provider_unreachable', { '/user/tokens/verify': { status: 503, body: {} } }],
    ['provider_unreachable', { '/user/tokens/verify': { body: '{"success": true, "resu' } }],
    ['provider_unreachable', { '/user/tokens/verify': { status: 302, body: {} } }],
  ] satisfies [string, Answers][])('%s', async (code, answers) => {
    await expect(probeWith(answers, 'user')).rejects.toMatchObject({ code })
  })

  test('a provider that is not there is unreachable, and the error does not quote the token', async () => {
    const error = await probe(`cfut_${'hush'.repeat(8)}`, 'http://127.0.0.1:1').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'provider_unreachable' })
    expect(JSON.stringify(error) + String(error)).not.toContain('hush')
  })
})

async function probeWith(answers: Answers, kind: 'user' | 'account' | 'legacy') {
  const running = createServer((request, response) => {
    seen.push(request.url ?? '')
    const { status = 200, body } = answers[request.url ?? ''] ?? { status: 404, body: {} }
    response.writeHead(status, { location: 'http://127.0.0.1:1/' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  server = running
  await new Promise<void>((listening) => running.listen(0, '127.0.0.1', listening))
  const address = running.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return probe(TOKENS[kind], `http://127.0.0.1:${address.port}`)
}

const TOKENS = { user: `cfut_${'x'.repeat(40)}`, account: `cfat_${'x'.repeat(40)}`, legacy: 'x'.repeat(40) }

async function probe(token: string, apiUrl: string) {
  const shape = cloudflareGrading.judgeShape(token)
  if (!shape.ok) throw new Error(shape.code)
  return probeProvider(token, shape.value, apiUrl)
}
