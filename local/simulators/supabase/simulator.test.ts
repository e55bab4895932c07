import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { supabaseGrading } from '../../../domain/providers/supabase/grading.ts'
import { DATABASE_QUERY, SLOW_STATEMENTS_QUERY } from '../../../domain/providers/supabase/queries.ts'
import { success } from '../../../domain/result.ts'
import published from './openapi.json' with { type: 'json' }
import { type SupabaseSimulator, startSupabaseSimulator } from './simulator.ts'
import { World } from './world.ts'

const NOW = Date.UTC(2026, 10, 24, 10, 30)
const SEED = 7
const world = new World(SEED)
const [bakery, yoga, cycles] = world.projects.map(({ ref }) => ref)

let simulator: SupabaseSimulator
let now: number
let token: string

beforeEach(async () => {
  now = NOW
  simulator = await startSupabaseSimulator({ seed: SEED, log: () => {}, now: () => now })
  token = simulator.issueReadKey()
})
afterEach(() => simulator.stop())

async function ask(path: string, init: RequestInit = {}) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const answer = await fetch(simulator.apiUrl + path, { headers, ...init })
  return { status: answer.status, headers: answer.headers, body: await answer.json() }
}
const query = (ref: string | undefined, text: string) =>
  ask(`/v1/projects/${ref}/database/query/read-only`, { method: 'POST', body: JSON.stringify({ query: text }) })
const control = (path: string, body: unknown) =>
  fetch(`${simulator.controlUrl}/${path}`, { method: 'POST', body: JSON.stringify(body) })

/** As Supabase publishes it. */
function schemaOf(name: keyof (typeof published)['$defs']) {
  return z.fromJSONSchema(published.$defs[name] as z.core.JSONSchema.JSONSchema)
}

describe('the shapes that Supabase publishes', () => {
  it('are those of its projects and of the body of a query', async () => {
    const { status, body } = await ask('/v1/projects')
    expect(status).toBe(200)
    const projects = z.array(schemaOf('V1ProjectWithDatabaseResponse'))
    expect(projects.safeParse(body)).toMatchObject({ success: true })
    expect(projects.safeParse([{ ...body[0], status: 'FINE' }])).toMatchObject({ success: false })
    expect(schemaOf('V1ReadOnlyQueryBody').safeParse({ query: DATABASE_QUERY })).toMatchObject({ success: true })
    expect(body.map(({ status: state }: { status: string }) => state)).toContain('INACTIVE')
  })
})

describe('a query', () => {
  it('that the product sends is answered with 201, from a world that moves with the clock', async () => {
    const first = await query(bakery, DATABASE_QUERY)
    expect(first.status).toBe(201)
    expect(first.body).toEqual([expect.objectContaining({ read_at: String(NOW / 1000), connection_limit: '60' })])
    expect((await query(bakery, DATABASE_QUERY)).body).toEqual(first.body)
    now += 3_600_000
    expect((await query(bakery, DATABASE_QUERY)).body).not.toEqual(first.body)
  })
  it.each([
    ['drop table public.users', '42601'],
    [SLOW_STATEMENTS_QUERY, '42P01'],
  ])('that it cannot answer is refused as Postgres refuses: %s', async (text, code) => {
    const { status, body } = await query(cycles, text)
    expect(status).toBe(400)
    expect(body.message).toContain(`Failed to run sql query: ERROR:  ${code}: `)
  })
  it('of a paused project fails, until it is resumed', async () => {
    expect((await query(yoga, DATABASE_QUERY)).status).toBe(500)
    await control('status', { ref: yoga, status: 'ACTIVE_HEALTHY' })
    expect((await query(yoga, DATABASE_QUERY)).status).toBe(201)
  })
})

describe('a token', () => {
  it('lacks by name what its scope leaves out, and is nothing when forged or revoked', async () => {
    token = simulator.issueToken('projects_alone')
    expect(await query(bakery, DATABASE_QUERY)).toMatchObject({
      status: 403,
      body: { missing_permissions: ['database_read'] },
    })
    token = simulator.issueToken('database_alone')
    expect((await ask('/v1/projects')).status).toBe(403)
    await control('tokens/revoke', { token })
    expect((await query(bakery, DATABASE_QUERY)).status).toBe(401)
    token = `sbp_${'0'.repeat(40)}`
    expect((await ask('/v1/projects')).status).toBe(401)
  })
  it('T5: of either kind is graded by its look, from the answers of this API', async () => {
    const grade = async (secret: string) => {
      token = secret
      const shape = supabaseGrading.judgeShape(secret)
      if (!shape.ok) return shape
      return shape.value(async ({ method, path, body }) => {
        const { status, body: value } = await ask(path, { method, ...(body === undefined ? {} : { body }) })
        return success({ status, value })
      })
    }
    expect(await grade(simulator.issueToken('classic'))).toMatchObject({ value: { grade: 'over_scoped' } })
    expect(await grade(simulator.issueReadKey())).toMatchObject({ value: { grade: 'not_proven_read_only' } })
    expect(await grade(simulator.issueToken('projects_alone'))).toMatchObject({ permissions: ['Database: Read'] })
  })
})

describe('what it was asked', () => {
  it('is listed without tokens, unless whoever looks for leaks wants them', async () => {
    await ask('/v1/projects')
    const listed = async (query = '') => (await fetch(`${simulator.controlUrl}/requests${query}`)).text()
    expect(await listed()).toContain('"path":"/v1/projects","authorization":"[redacted]"')
    expect(await listed('?authorization=shown')).toContain(token)
  })
})

describe('the rate limit', () => {
  it('is of 120 requests a minute for each project, and says when it is over', async () => {
    const statuses = await Promise.all(Array.from({ length: 120 }, async () => (await query(bakery, 'x')).status))
    expect(new Set(statuses)).toEqual(new Set([400]))
    now += 20_000
    const { status, headers, body } = await query(bakery, 'x')
    expect([status, body]).toEqual([429, { message: 'ThrottlerException: Too Many Requests' }])
    expect([headers.get('x-ratelimit-remaining'), headers.get('x-ratelimit-reset')]).toEqual(['0', '40'])
    expect((await query(cycles, DATABASE_QUERY)).status).toBe(201)
    expect((await ask('/v1/projects')).status).toBe(200)
    now += 40_000
    expect((await query(bakery, DATABASE_QUERY)).status).toBe(201)
  })
})
