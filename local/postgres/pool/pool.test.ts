import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { EmbeddedPostgres } from '../postgres.ts'
import { DATABASE } from '../roles.ts'
import { startThrowawayPostgres } from '../throwaway.ts'
import { type Pool, startPool } from './pool.ts'

const ROLES = ['flarewatch_gateway', 'flarewatch_vault'] as const
const LIMITS = { maxConnections: 3, maxWaiting: 50, waitTimeoutMs: 400 }

let upstream: EmbeddedPostgres
let pool: Pool
const clients: postgres.Sql[] = []

beforeAll(async () => {
  upstream = await startThrowawayPostgres()
  pool = await startPool({
    upstreamPort: upstream.port,
    database: DATABASE,
    credentials: new Map(ROLES.map((role) => [role as string, new URL(upstream.urlFor(role)).password])),
    limits: LIMITS,
  })
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end({ timeout: 1 })))
})
afterAll(async () => {
  await pool.stop()
  await upstream.stop()
})

function urlOf(role: (typeof ROLES)[number]): URL {
  const url = new URL(upstream.urlFor(role))
  url.port = String(pool.port)
  return url
}

function client(
  role: (typeof ROLES)[number] = 'flarewatch_gateway',
  options: postgres.Options<Record<string, never>> = {},
): postgres.Sql {
  const sql = postgres(urlOf(role).href, { prepare: false, fetch_types: false, max: 1, onnotice: () => {}, ...options })
  clients.push(sql)
  return sql
}

describe('T4: what one client does never shows in another', () => {
  test('many interleaved transactions of two roles keep their own settings', async () => {
    const lanes = ROLES.flatMap((role) => Array.from({ length: 6 }, (_, lane) => ({ role, lane, sql: client(role) })))
    const seen = await Promise.all(
      lanes.flatMap(({ role, lane, sql }) =>
        Array.from({ length: 15 }, (_, turn) =>
          sql.begin(async (tx) => {
            const mark = `${role} ${lane} ${turn}`
            await tx`select set_config('trial.mark', ${mark}, true)`
            await tx`select pg_sleep(0.001)`
            const [row] = await tx`select current_user::text as role, current_setting('trial.mark') as mark`
            return row?.role === role && row.mark === mark
          }),
        ),
      ),
    )
    expect(seen).toHaveLength(180)
    expect(seen.every(Boolean)).toBe(true)
  })

  test('session settings, advisory locks, prepared statements, cursors and roles end with the transaction', async () => {
    const [first, second] = [client('flarewatch_gateway'), client('flarewatch_gateway')]
    await first.unsafe(`set trial.mark = 'left behind'; set search_path = pg_catalog; prepare mine as select 1;
      declare c cursor with hold for select 1; listen gossip; select pg_advisory_lock(77)`)
    // The reset runs behind the client's back: whatever connection the next ones get must have seen it.
    for (let turn = 0; turn < 2 * LIMITS.maxConnections; turn++) {
      const [row] = await second`
        select current_setting('trial.mark', true) as mark, current_setting('search_path') as path,
          (select count(*)::int from pg_prepared_statements where name = 'mine') as prepared,
          (select count(*)::int from pg_cursors) as cursors,
          (select count(*)::int from pg_listening_channels()) as channels,
          (select count(*)::int from pg_locks where locktype = 'advisory' and objid = 77) as locks`
      expect({ ...row, mark: row?.mark || null }).toEqual({
        mark: null,
        path: '"$user", public',
        prepared: 0,
        cursors: expect.any(Number),
        channels: 0,
        locks: 0,
      })
    }
  })

  test('a client that leaves in mid-transaction takes its connection with it', async () => {
    const [watcher] = [client('flarewatch_vault')]
    const leaver = postgres(urlOf('flarewatch_gateway').href, { prepare: false, fetch_types: false, max: 1 })
    const backend = new Promise<number>((known) => {
      leaver
        .begin(async (tx) => {
          await tx`select pg_advisory_xact_lock(78)`
          const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`
          known(row?.pid ?? 0)
          await tx`select pg_sleep(60)`
        })
        .catch(() => {})
    })
    const pid = await backend
    await leaver.end({ timeout: 0 })
    const isLocked = async () => {
      const [row] =
        await (watcher as postgres.Sql)`select count(*)::int as n from pg_locks where locktype = 'advisory' and objid = 78`
      return row?.n !== 0
    }
    for (let turn = 0; turn < 200 && (await isLocked()); turn++) await sleep(20)
    expect(await isLocked()).toBe(false)
    const [row] = await client()`select pg_backend_pid() as pid`
    expect(row?.pid).not.toBe(pid)
  })
})

describe('lending', () => {
  test('few connections serve many clients', async () => {
    const many = Array.from({ length: 30 }, () => client())
    const pids = await Promise.all(many.map(async (sql) => (await sql`select pg_backend_pid() as pid`)[0]?.pid))
    expect(new Set(pids).size).toBeLessThanOrEqual(LIMITS.maxConnections)
  })

  test('whoever waits too long is told so, and the next one is served', async () => {
    const holders = Array.from({ length: LIMITS.maxConnections }, () => client())
    const release: (() => void)[] = []
    const held = holders.map((sql) =>
      sql.begin(async (tx) => {
        await tx`select 1`
        await new Promise<void>((go) => release.push(go))
      }),
    )
    while (release.length < LIMITS.maxConnections) await sleep(5)
    await expect(client()`select 1`).rejects.toMatchObject({ code: '53300' })
    const patient = client()`select 2 as n`.execute()
    for (const go of release) go()
    expect((await patient)[0]).toEqual({ n: 2 })
    await Promise.all(held)
  })

  test('an error inside a transaction leaves the connection usable', async () => {
    const sql = client()
    await expect(sql.begin((tx) => [tx`select 1`, tx`select 1/0`])).rejects.toMatchObject({ code: '22012' })
    expect((await sql`select 3 as n`)[0]).toEqual({ n: 3 })
  })

  test('large results and large parameters pass whole', async () => {
    const sql = client()
    const text = 'x'.repeat(3_000_000)
    const [row] = await sql`select ${text}::text as back, length(${text}::text) as n`
    expect(row?.n).toBe(text.length)
    expect(row?.back).toBe(text)
    const rows = await sql`select repeat('y', 1000) as y from generate_series(1, 3000)`
    expect(rows).toHaveLength(3000)
  })

  test('a cursor reads page by page in its transaction', async () => {
    let rows = 0
    await client().begin(async (tx) => {
      for await (const page of tx`select n from generate_series(1, 25) as n`.cursor(10)) rows += page.length
    })
    expect(rows).toBe(25)
  })

  test('a cancelled query stops, and its connection serves on', async () => {
    const sql = client()
    const query = sql`select pg_sleep(60)`
    const outcome = query.catch((error: { code: string }) => error.code)
    await sleep(100)
    query.cancel()
    expect(await outcome).toBe('57014')
    expect((await sql`select 4 as n`)[0]).toEqual({ n: 4 })
  })

  test('COPY TO STDOUT streams whole, and the connection serves on', async () => {
    const sql = client()
    const { rows, bytes } = await sql.begin(async (tx) => {
      await tx`select set_config('trial.rows', '20000', true)`
      const stream =
        await tx`copy (select repeat('x', 400) from generate_series(1, current_setting('trial.rows')::integer)) to stdout`.readable()
      const counted = { rows: 0, bytes: 0 }
      for await (const chunk of stream) {
        counted.rows += 1
        counted.bytes += chunk.length
        // A reader that falls behind holds Postgres back, through the pool.
        if (counted.rows % 5000 === 0) await sleep(20)
      }
      return counted
    })
    expect(bytes).toBe(20_000 * 401)
    expect(rows).toBeGreaterThan(1)
    expect((await sql`select 1 as one`)[0]).toEqual({ one: 1 })
  })

  test('a client that leaves in mid-COPY takes its connection with it', async () => {
    const leaving = client()
    const stream = await leaving`copy (select generate_series(1, 100000000)) to stdout`.readable()
    stream.once('data', () => stream.pause())
    await sleep(50)
    stream.on('error', () => {})
    await leaving.end({ timeout: 0 })
    for (let turn = 0; turn < 2 * LIMITS.maxConnections; turn += 1) {
      expect((await client()`select 1 as one`)[0]).toEqual({ one: 1 })
    }
  })

  test('COPY FROM STDIN is refused in words', async () => {
    const outcome = client().unsafe('copy flarewatch.tenants from stdin').writable()
    await expect(outcome).rejects.toMatchObject({ code: expect.stringMatching(/0A000|42501/) })
  })
})

describe('at the door', () => {
  test('T4: a wrong password, an unknown role and a role that is not lent are refused alike', async () => {
    const attempts = [
      { user: 'flarewatch_gateway', password: 'wrong' },
      { user: 'flarewatch_gateway', password: urlOf('flarewatch_vault').password },
      { user: 'supabase_admin', password: new URL(upstream.superuserUrl).password },
      { user: 'nobody', password: '' },
    ]
    for (const attempt of attempts) {
      const sql = postgres({ host: '127.0.0.1', port: pool.port, database: DATABASE, max: 1, ...attempt })
      await expect(sql`select 1`, attempt.user).rejects.toMatchObject({ code: '28P01' })
      await sql.end()
    }
  })

  test('a session parameter at startup is refused', async () => {
    const sql = client('flarewatch_gateway', { connection: { search_path: 'pg_temp' } })
    await expect(sql`select 1`).rejects.toMatchObject({ code: '0A000' })
  })

  test('an offer of TLS is declined, and garbage ends the connection', async () => {
    expect(await sendRaw(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))).toEqual(Buffer.from('N'))
    const garbage = await sendRaw(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    expect(garbage.toString('latin1')).toContain('08P01')
  })
})

/** What the pool answers to bytes, up to its first answer. */
function sendRaw(bytes: Buffer): Promise<Buffer> {
  return new Promise((answered, failed) => {
    const socket = connect(pool.port, '127.0.0.1', () => socket.write(bytes))
    socket.once('error', failed)
    socket.once('data', (answer) => {
      answered(answer)
      socket.destroy()
    })
  })
}
