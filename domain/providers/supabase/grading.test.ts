import { describe, expect, it } from 'vitest'
import { toBase64Url, utf8 } from '../../bytes.ts'
import { success } from '../../result.ts'
import type { Ask, ProviderRequest } from '../grade.ts'
import { supabaseGrading } from './grading.ts'
import { DATABASE_QUERY } from './queries.ts'

const CLASSIC = `sbp_${'0a1b2c3d4e'.repeat(4)}`
const SCOPED = `sbp_fc${'0a1b2c3d4e'.repeat(4).slice(2)}`
const jwt = (claims: unknown) =>
  ['{"alg":"HS256"}', JSON.stringify(claims), 'unsigned'].map((part) => toBase64Url(utf8(part))).join('.')

const ref = (letter: string) => letter.repeat(20)
const projects = [
  { ref: ref('a'), name: 'harbor-yoga', status: 'INACTIVE' },
  { ref: ref('b'), name: 'northwind-bakery', status: 'ACTIVE_HEALTHY' },
]

/** Answers in turn; what was asked is kept. */
async function probe(token: string, ...answers: readonly (readonly [number, unknown])[]) {
  const asked: ProviderRequest[] = []
  const ask: Ask = async (request) => {
    const [status, value] = answers[asked.length] ?? expect.fail('one question too many')
    asked.push(request)
    return success({ status, value })
  }
  const shape = supabaseGrading.judgeShape(token)
  if (!shape.ok) throw new Error(shape.code)
  return { judged: await shape.value(ask), asked }
}

describe('the shape of a Supabase token', () => {
  it.each([
    ['credential_secret_key', 'sb_secret_0a1b2c3d4e5f6a7b8c9d'],
    ['credential_secret_key', jwt({ iss: 'supabase', role: 'service_role' })],
    ['credential_secret_key', ` ${jwt({ role: 'service_role' })}\n`],
    ['credential_public_key', 'sb_publishable_0a1b2c3d4e5f6a7b8c9d'],
    ['credential_public_key', jwt({ iss: 'supabase', role: 'anon' })],
    ['credential_malformed', jwt({ role: 'authenticated' })],
    ['credential_malformed', jwt(['service_role'])],
    ['credential_malformed', `${toBase64Url(utf8('{'))}.${toBase64Url(utf8('{'))}.x`],
    ['credential_malformed', ''],
    ['credential_malformed', `Bearer ${CLASSIC}`],
    ['credential_malformed', CLASSIC.slice(0, -1)],
    ['credential_malformed', `${CLASSIC}\n`],
    ['credential_malformed', `sbp_oauth_${'0'.repeat(40)}`],
  ])('T5: is refused before anything is asked: %s', (code, text) => {
    expect(supabaseGrading.judgeShape(text)).toEqual({ ok: false, code })
  })
})

describe('grading a Supabase token', () => {
  it('T5: takes a classic one as over-scoped, and says that it may do everything that its user may', async () => {
    const { judged, asked } = await probe(CLASSIC, [200, projects], [201, []])
    expect(judged).toMatchObject({ ok: true, value: { grade: 'over_scoped', can: ['everything its user may'] } })
    if (!judged.ok) return
    expect(judged.value.scope).toBe('2 projects: a classic token, which may do everything that its user may')
    expect(judged.value.excess).toContain('run any SQL')
    expect(judged.value.sites[1]).toEqual({ id: ref('b'), name: 'northwind-bakery', timeZone: 'UTC' })
    expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /v1/projects',
      `POST /v1/projects/${ref('b')}/database/query/read-only`,
    ])
    expect(asked[1]?.body).toBe(JSON.stringify({ query: DATABASE_QUERY }))
  })
  it('T5: never calls a scoped one read-only, since nothing lists what else it may', async () => {
    const { judged } = await probe(SCOPED, [200, projects], [201, []])
    expect(judged).toMatchObject({ ok: true, value: { grade: 'not_proven_read_only', excess: [] } })
  })
  it('T5: names the permission that a scoped one lacks', async () => {
    const lacks = (permission: string) => ({
      ok: false,
      code: 'credential_lacks_permission',
      permissions: [permission],
    })
    expect((await probe(SCOPED, [403, {}])).judged).toEqual(lacks('Projects (account-wide): Read'))
    expect((await probe(SCOPED, [200, projects], [403, {}])).judged).toEqual(lacks('Database: Read'))
  })
  it('asks no database of projects that are all paused, nor takes one that does not answer for a refusal', async () => {
    expect((await probe(SCOPED, [200, projects.slice(0, 1)])).judged).toMatchObject({ ok: true })
    expect((await probe(SCOPED, [200, projects], [500, {}])).judged).toMatchObject({ ok: true })
  })
  it('reads fifty projects at most, and says so', async () => {
    const many = Array.from({ length: 60 }, (_, at) => ({
      ...projects[1],
      ref: ref('c').slice(2) + String.fromCharCode(97 + (at % 26), 97 + Math.floor(at / 26)),
    }))
    const { judged } = await probe(CLASSIC, [200, many], [201, []])
    if (!judged.ok) return expect.fail(judged.code)
    expect(judged.value.sites).toHaveLength(50)
    expect(judged.value.scope).toMatch(/^the first 50 projects: /)
  })
  it.each([
    [401, { message: 'Unauthorized' }, 'credential_rejected'],
    [429, { message: 'ThrottlerException: Too Many Requests' }, 'provider_rate_limited'],
    [500, undefined, 'provider_unreachable'],
    [200, { message: 'no list' }, 'provider_unreachable'],
    [200, [], 'credential_without_zones'],
  ])('takes %i with %j for %s', async (status, value, code) => {
    expect((await probe(CLASSIC, [status, value])).judged).toEqual({ ok: false, code })
  })
})
