import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { handleRest } from '../../supabase/rest/rpc.ts'
import type { EmbeddedPostgres } from '../postgres.ts'
import { DATABASE, WORKER_ROLES, type WorkerRole } from '../roles.ts'
import { startThrowawayPostgres } from '../throwaway.ts'
import { startPool } from './pool.ts'
import { sessionWitness, witnessStatement } from './session-state.ts'

/**
 * The pool of every stand lends one connection a role, cleans nothing and has a witness look at what comes back: so each path that a room's
 * test goes is proven on recycled connections by going it. Here: that the witness sees, and that no path is left out.
 */
let upstream: EmbeddedPostgres

beforeAll(async () => {
  upstream = await startThrowawayPostgres()
})
afterAll(() => upstream.stop())

/** A pool of one connection, gone through and inspected at its end. */
async function leftBy(role: WorkerRole, statements: readonly string[]): Promise<readonly string[]> {
  const witness = await sessionWitness(upstream.superuserUrl)
  const { password } = new URL(upstream.urlFor(role))
  const pool = await startPool({
    upstreamPort: upstream.port,
    database: DATABASE,
    credentials: new Map([[role as string, password]]),
    limits: { maxConnections: 1 },
    witness,
  })
  const sql = postgres({ host: '127.0.0.1', port: pool.port, database: DATABASE, username: role, password, ...PLAIN })
  try {
    for (const statement of statements) await sql.unsafe(statement)
  } finally {
    await sql.end()
    await pool.stop()
  }
  return witness.leftBehind
}
const PLAIN = { max: 1, prepare: false, fetch_types: false, onnotice: () => {} } as const

describe('T4: the witness of recycled connections', () => {
  test.each([
    ["select set_config('flarewatch.claims', '{}', false)", 'setting flarewatch.claims'],
    ['set statement_timeout = 5000', 'setting statement_timeout'],
    ['prepare mine as select 1', 'prepared statement mine'],
    ['listen gossip', 'channel gossip'],
    ['declare c cursor with hold for select 1', 'cursor c'],
    ['select pg_advisory_lock(7)', 'advisory lock'],
  ])('sees what is left by %s', async (statement, what) => {
    const left = await leftBy('flarewatch_gateway', ['select 1', statement, 'select 2'])
    expect([...new Set(left)]).toEqual([`flarewatch_gateway: ${what}`])
  })

  test('is needed for no temporary table, since no role may make one', async () => {
    for (const role of WORKER_ROLES) {
      await expect(leftBy(role, ['create temporary table kept (id int)']), role).rejects.toMatchObject({
        code: '42501',
      })
    }
  })

  test.each(WORKER_ROLES)('sees nothing where %s leaves nothing', async (role) => {
    const claims = `begin; select set_config('flarewatch.claims', '{"sub":"x"}', true); select pg_advisory_xact_lock(8); commit`
    expect(await leftBy(role, [claims, 'select 1'])).toEqual([])
  })

  test('fails the stop of a stand whose connections were not left clean', async () => {
    const stand = await startThrowawayPostgres()
    const sql = postgres(stand.pooledUrlFor('flarewatch_gateway'), PLAIN)
    await sql`select set_config('flarewatch.claims', '{}', false)`
    await sql.end()
    await expect(stand.stop()).rejects.toThrow('flarewatch_gateway: setting flarewatch.claims')
  })
})

describe('T4: the paths of recycled connections', () => {
  test('all begin at the one client whose stands are lent them', () => {
    const direct = sources('workers', 'durable-objects').filter(
      ({ path, text }) => !/\.test\.ts$|\/simulation\//.test(path) && /from 'postgres'/.test(text),
    )
    expect(direct.map(({ path }) => path)).toEqual(['workers/runtime/database.ts'])
  })

  test('no stand of a room goes past the pool that cleans nothing', () => {
    const own = sources('local/stands', 'workers', 'durable-objects', 'edge-functions')
    expect(own.filter(({ text }) => /\bstartPostgres\(/.test(text)).map(({ path }) => path)).toEqual([])
  })

  test('every privileged function leaves the session of the Data API as it was, whatever came of the call', async () => {
    const { sql, names } = await dataApi()
    try {
      for (const name of names) {
        for (const role of ['service_role', 'anon', 'authenticated'] as const) {
          await callAs(sql, name, role)
          await sql.unsafe(
            witnessStatement(['flarewatch.claims', 'flarewatch.job_id', 'flarewatch.at', 'request.jwt.claims']),
          )
        }
      }
      expect(names.length).toBeGreaterThan(15)
    } finally {
      await sql.end()
    }
  })
})

async function dataApi() {
  const superuser = postgres(upstream.superuserUrl, { max: 1, onnotice: () => {} })
  const names = await superuser<{ name: string }[]>`
    select p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'privileged' and p.prokind = 'f' and p.pronargs = 1 order by 1`
  await superuser.end()
  return { sql: postgres(upstream.urlFor('authenticator'), PLAIN), names: names.map(({ name }) => name) }
}

async function callAs(sql: postgres.Sql, name: string, role: 'service_role' | 'anon' | 'authenticated'): Promise<void> {
  const response = await handleRest(
    { sql, onError: () => {} },
    {
      method: 'POST',
      path: `/rpc/${name}`,
      headers: new Headers(),
      body: JSON.stringify({ request: { tenant_id: TENANT, user_id: TENANT } }),
      caller: { role, claims: { sub: TENANT, role } },
    },
  )
  const text = await response.text()
  if (role !== 'service_role') expect(text).toContain('42501')
}
const TENANT = '0193d2a0-0000-4000-8000-000000000001'

function sources(...folders: readonly string[]) {
  return folders
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)))
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
}
