import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { openAuthSession } from '../../local/postgres/auth-users.ts'
import { WORKER_ROLES } from '../../local/postgres/roles.ts'
import {
  as,
  asGateway,
  type Claims,
  connectAs,
  countVisible,
  INSUFFICIENT_PRIVILEGE,
  refusal,
  rolledBack,
  type Tx,
} from './database.ts'
import { NOW, seedWorld, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const racers = connectAs('supabase_admin', 8)
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const later = (ms: number) => new Date(NOW.getTime() + ms)

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => act(tx, await seedWorld(tx)))
}

async function begin(tx: Tx, userId: string, at = NOW): Promise<string> {
  const id = randomUUID()
  await openAuthSession(tx, { id, userId, at })
  return id
}

async function use(tx: Tx, userId: string, sessionId: string, ms: number): Promise<string> {
  const rows = await as(
    tx,
    'flarewatch_vault',
    () => tx`select flarewatch.use_session(${userId}, ${sessionId}, ${later(ms)}) as state`,
  )
  return String(rows[0]?.state)
}

describe('a session', () => {
  test('is over an hour after its last use, and does not come back', () =>
    inWorld(async (tx, { ash }) => {
      const [idle, busy] = [await begin(tx, ash.owner), await begin(tx, ash.owner)]
      expect(await use(tx, ash.owner, idle, HOUR_MS - 1)).toBe('live')
      expect(await use(tx, ash.owner, busy, HOUR_MS)).toBe('expired')
      expect(await use(tx, ash.owner, idle, 2 * HOUR_MS - 2)).toBe('live')
      expect(await use(tx, ash.owner, idle, 4 * HOUR_MS)).toBe('expired')
      expect(await use(tx, ash.owner, idle, 4 * HOUR_MS + 1)).toBe('expired')
    }))

  test('is over 24 hours after it began, however much it is used', () =>
    inWorld(async (tx, { ash }) => {
      const session = await begin(tx, ash.owner)
      for (let half = 1; half < 48; half += 1) {
        expect(await use(tx, ash.owner, session, half * 30 * MINUTE_MS)).toBe('live')
      }
      expect(await use(tx, ash.owner, session, 24 * HOUR_MS)).toBe('expired')
    }))

  test('is over where Auth says so, and where it never knew it', () =>
    inWorld(async (tx, { ash, birch }) => {
      const session = await begin(tx, ash.owner)
      await tx`update auth.sessions set not_after = ${later(MINUTE_MS)} where id = ${session}`
      expect(await use(tx, ash.owner, session, MINUTE_MS - 1)).toBe('live')
      expect(await use(tx, ash.owner, session, MINUTE_MS)).toBe('expired')
      expect(await use(tx, birch.owner, session, 0)).toBe('ended')
      expect(await use(tx, ash.owner, randomUUID(), 0)).toBe('ended')
    }))

  test.each([
    ['that was ended', (live: Claims): Claims => ({ ...live, session_id: randomUUID() })],
    ['of another person', (live: Claims, { birch }: World): Claims => ({ ...live, sub: birch.owner })],
    ['that has expired', (live: Claims): Claims => ({ ...live, at: later(HOUR_MS).toISOString() })],
    ['without an id', ({ session_id: _, ...live }: Claims): Claims => live],
  ])('%s shows no row to the gateway', (_, spoil) =>
    inWorld(async (tx, world) => {
      const { ash } = world
      const session_id = await begin(tx, ash.owner)
      const live: Claims = { sub: ash.owner, aal: 'aal2', tenant_id: ash.id, session_id }
      expect(await asGateway(tx, live, () => countVisible(tx, 'sites'))).toBe(1)
      const spoilt = { at: NOW.toISOString(), ...spoil(live, world) }
      await tx`select set_config('flarewatch.claims', ${JSON.stringify(spoilt)}, true)`
      const seen = async (table: string) => as(tx, 'flarewatch_gateway', () => countVisible(tx, table))
      for (const table of ['sites', 'credentials', 'facts_daily', 'tenants', 'members']) {
        expect(await seen(table), table).toBe(0)
      }
    }),
  )

  test('is judged before an Edge Function’s first statement', () =>
    inWorld(async (tx, { ash }) => {
      const session_id = await begin(tx, ash.owner)
      const judged = async (request: Record<string, unknown>) => {
        const whose = { user_id: ash.owner, ...request }
        return tx
          .savepoint((inner) =>
            as(
              inner,
              'service_role',
              () => inner`select privileged.recovery_codes_left(${inner.json(whose as never)})`,
            ),
          )
          .then(
            () => 'answered',
            (error: unknown) => (error instanceof postgres.PostgresError ? error.message : 'failed'),
          )
      }
      expect(await judged({ session_id, at: NOW.toISOString() })).toBe('answered')
      expect(await judged({ session_id: randomUUID(), at: NOW.toISOString() })).toBe('session_ended')
      expect(await judged({ session_id, at: later(HOUR_MS).toISOString() })).toBe('session_expired')
      expect(await judged({ session_id })).toBe('session_expired')
      expect(await judged({})).toBe('session_ended')
    }))
})

describe('sessions are listed and ended', () => {
  const ids = async (tx: Tx, claims: Claims) =>
    asGateway(tx, claims, async () => (await tx`select id from flarewatch.own_sessions()`).map(({ id }) => String(id)))

  test('by their own person, those that are live', () =>
    inWorld(async (tx, { ash }) => {
      const [here, there] = [await begin(tx, ash.owner), await begin(tx, ash.owner, later(-10 * MINUTE_MS))]
      await begin(tx, ash.owner, later(-2 * HOUR_MS))
      await begin(tx, ash.viewer)
      const claims: Claims = { sub: ash.owner, aal: 'aal2', tenant_id: null, session_id: here }
      expect((await ids(tx, claims)).sort()).toEqual([here, there].sort())
      const never: Claims = { ...claims, session_id: randomUUID() }
      expect(await ids(tx, never)).toEqual([])
      const unenrolled = await begin(tx, ash.unenrolled)
      expect(await ids(tx, { ...claims, sub: ash.unenrolled, session_id: unenrolled })).toEqual([])
    }))

  type Asked = { readonly only: string | null; readonly except: string | null; readonly left: string[] }
  test.each<[string, (here: string, there: string) => Asked]>([
    ['one', (here, there) => ({ only: there, except: null, left: [here] })],
    ['all others', (here) => ({ only: null, except: here, left: [here] })],
    ['all', () => ({ only: null, except: null, left: [] })],
  ])('%s, and never another person’s', (_, ask) =>
    inWorld(async (tx, { ash }) => {
      const [here, there, others] = [
        await begin(tx, ash.owner),
        await begin(tx, ash.owner),
        await begin(tx, ash.viewer),
      ]
      const { only, except, left } = ask(here, there)
      await as(
        tx,
        'flarewatch_vault',
        () => tx`select flarewatch.end_sessions(${ash.owner}, ${only}::uuid, ${except}::uuid)`,
      )
      const rows = await tx`select id from auth.sessions where user_id in (${ash.owner}, ${ash.viewer})`
      expect(rows.map(({ id }) => id).sort()).toEqual([...left, others].sort())
    }),
  )

  test('with no right on Auth’s own table, or on what is noted', () =>
    inWorld(async (tx) => {
      for (const role of [...WORKER_ROLES, 'anon', 'authenticated', 'service_role'] as const) {
        for (const table of ['auth.sessions', 'flarewatch.session_uses', 'flarewatch.failed_attempts']) {
          const code = await refusal(tx, role, (inner) => inner`delete from ${inner(table)}`)
          expect(code, `${role} ${table}`).toBe(INSUFFICIENT_PRIVILEGE)
        }
      }
    }))
})

describe('failed attempts', () => {
  const attempt = async (tx: Tx, user: string, ms: number, valid = false, factor = 'password') => {
    const [row] = await tx<{ admitted: boolean }[]>`
      select flarewatch.admit_attempt(${user}, ${factor}, ${valid}, ${later(ms)}) as admitted`
    return row?.admitted
  }

  test('three are free; from the fourth the wait doubles from a second up to 15 minutes', () =>
    rolledBack(sql, async (tx) => {
      const user = randomUUID()
      let ms = 0
      const waits: number[] = []
      for (let failed = 1; failed <= 16; failed += 1) {
        expect(await attempt(tx, user, ms)).toBe(true)
        const [row] = await tx`select extract(epoch from free_at - last_at)::float8 as seconds
          from flarewatch.failed_attempts where user_id = ${user}`
        waits.push(Number(row?.seconds))
        ms += Number(row?.seconds) * 1000
      }
      expect(waits).toEqual([0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900])
    }))

  test('too early is refused, right or wrong, and makes the wait no longer', () =>
    rolledBack(sql, async (tx) => {
      const user = randomUUID()
      for (let failed = 1; failed <= 5; failed += 1) await attempt(tx, user, failed * 1000)
      expect(await attempt(tx, user, 6999)).toBe(false)
      expect(await attempt(tx, user, 6999, true)).toBe(false)
      expect(await attempt(tx, user, 7000, true)).toBe(true)
      for (let failed = 1; failed <= 3; failed += 1) expect(await attempt(tx, user, 7000)).toBe(true)
    }))

  test('of one person or one factor delay no other', () =>
    rolledBack(sql, async (tx) => {
      const user = randomUUID()
      for (let failed = 1; failed <= 4; failed += 1) await attempt(tx, user, 0)
      expect(await attempt(tx, user, 0)).toBe(false)
      expect(await attempt(tx, user, 0, false, 'mfa')).toBe(true)
      expect(await attempt(tx, randomUUID(), 0)).toBe(true)
    }))

  test('at the same moment get no more guesses than one after the other', async () => {
    const user = randomUUID()
    const admitted = await Promise.all(
      Array.from(
        { length: 8 },
        async () =>
          (await racers`select flarewatch.admit_attempt(${user}, 'mfa', false, ${NOW}) as admitted`)[0]?.admitted,
      ),
    )
    await sql`delete from flarewatch.failed_attempts where user_id = ${user}`
    expect(admitted.filter(Boolean)).toHaveLength(4)
  })

  test('are told by Auth alone, whose words for a refusal do not tell that there is an account', () =>
    rolledBack(sql, async (tx) => {
      const event = { user_id: randomUUID(), valid: false }
      const ask = (inner: Tx) => inner`select auth_hooks.password_verification_attempt(${inner.json(event)}) as answer`
      for (const role of [...WORKER_ROLES, 'anon', 'authenticated', 'service_role'] as const) {
        expect(await refusal(tx, role, ask), role).toBe(INSUFFICIENT_PRIVILEGE)
      }
      await tx`set local role supabase_auth_admin`
      for (let failed = 1; failed <= 4; failed += 1)
        expect((await ask(tx))[0]?.answer).toEqual({ decision: 'continue' })
      expect((await ask(tx))[0]?.answer).toEqual({
        decision: 'reject',
        message: 'Invalid login credentials',
        should_logout_user: false,
      })
      await tx`reset role`
      const [seen] = await as(tx, 'flarewatch_gateway', () => tx`select * from flarewatch.hooks_seen()`)
      expect(seen).toEqual({ password_at: expect.any(Date), mfa_at: null })
    }))
})
