import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { WORKER_ROLES } from '../../local/postgres/roles.ts'
import { as, asGateway, connectAs, fromLiveSession, refusal, rolledBack, type Tx } from './database.ts'
import { enrolTotp, NOW, seedWorld, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const DAY_MS = 86_400_000
const FUNCTIONS = [
  'request_member_reset',
  'cancel_member_reset',
  'own_member_reset',
  'close_member_reset',
  'start_reset_finish',
  'withdraw_invitation',
] as const
type Name = (typeof FUNCTIONS)[number] | 'change_member'
type Request = Record<string, unknown>

const at = (offset = 0) => new Date(NOW.getTime() + offset).toISOString()
const idempotency = () => ({
  key: randomUUID(),
  function: 'test',
  request_digest: randomBytes(32).toString('base64url'),
})

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => {
    const world = await seedWorld(tx)
    await tx`delete from flarewatch.mail_outbox`
    await act(tx, world)
  })
}

/** The answer, or the stable code of a refusal: as the Edge Functions see it. */
async function call(tx: Tx, name: Name, asked: Request): Promise<unknown> {
  const request = await fromLiveSession(tx, asked)
  try {
    const [row] = await tx.savepoint((inner) =>
      as(
        inner,
        'service_role',
        () => inner`select ${inner(`privileged.${name}`)}(${inner.json(request as never)}) as answer`,
      ),
    )
    return row?.answer
  } catch (error) {
    return codeOf(error)
  }
}

function codeOf(error: unknown): string {
  if (error instanceof postgres.PostgresError && /^FW0\d\d$/.test(error.code)) return error.message
  throw error
}

/** Ash's owner asks for the reset of Ash's viewer. */
const asked = ({ ash }: World, changed: Request = {}) => ({
  tenant_id: ash.id,
  user_id: ash.owner,
  member_id: ash.viewer,
  idempotency: idempotency(),
  at: at(),
  ...changed,
})
const own = (user: string, offset = 0) => ({ user_id: user, at: at(offset) })

async function isOpen(tx: Tx, user: string): Promise<boolean> {
  const rows = await tx`select from flarewatch.member_resets where user_id = ${user}`
  return rows.length === 1
}

async function join(tx: Tx, tenant: string, user: string, role: string): Promise<void> {
  await tx`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant}, ${user}, ${role})`
}

describe('T4: resets are reached', () => {
  test.each([...WORKER_ROLES, 'anon', 'authenticated'] as const)('by no function of %s’s', (role) =>
    inWorld(async (tx) => {
      for (const name of FUNCTIONS) {
        const code = await refusal(tx, role, (inner) => inner`select ${inner(`privileged.${name}`)}('{}'::jsonb)`)
        expect(code, name).toBe('42501')
      }
    }),
  )

  test.each([
    ...WORKER_ROLES.filter((role) => role !== 'flarewatch_vault'),
    'anon',
    'authenticated',
    'service_role',
  ] as const)('by no statement of %s’s', (role) =>
    inWorld(async (tx) => {
      expect(await refusal(tx, role, (inner) => inner`select from flarewatch.member_resets`)).toBe('42501')
    }),
  )

  test('by the vault, for whose and when, and to change nothing', () =>
    inWorld(async (tx, world) => {
      await call(tx, 'request_member_reset', asked(world))
      const rows = await as(
        tx,
        'flarewatch_vault',
        () => tx`select user_id, due_at, expires_at from flarewatch.member_resets`,
      )
      expect(rows).toHaveLength(1)
      for (const statement of [
        (inner: Tx) => inner`select requested_by from flarewatch.member_resets`,
        (inner: Tx) => inner`update flarewatch.member_resets set due_at = now()`,
        (inner: Tx) => inner`delete from flarewatch.member_resets`,
      ]) {
        expect(await refusal(tx, 'flarewatch_vault', statement)).toBe('42501')
      }
    }))

  test('by the owner of an agency that the person belongs to, at AAL2, and by nobody else', () =>
    inWorld(async (tx, world) => {
      const { ash, birch, outsider } = world
      await call(tx, 'request_member_reset', asked(world))
      const seen = (sub: string, tenant: string, aal: 'aal1' | 'aal2' = 'aal2') =>
        asGateway(tx, { sub, aal, tenant_id: tenant }, async () => {
          const rows = await tx`select user_id from flarewatch.open_resets(${at()})`
          return rows.map(({ user_id }) => user_id)
        })
      expect(await seen(ash.owner, ash.id)).toEqual([ash.viewer])
      expect(await seen(ash.owner, ash.id, 'aal1')).toEqual([])
      expect(await seen(ash.viewer, ash.id)).toEqual([])
      expect(await seen(outsider, ash.id)).toEqual([])
      expect(await seen(birch.owner, birch.id)).toEqual([])
      await join(tx, birch.id, ash.viewer, 'viewer')
      expect(await seen(birch.owner, birch.id)).toEqual([ash.viewer])
    }))
})

describe('A1: the reset of who lost both factors', () => {
  test('is asked for by an owner alone, of another person of their own agency who has a second factor', () =>
    inWorld(async (tx, world) => {
      const { ash, birch, outsider } = world
      const refused = async (changed: Request) => call(tx, 'request_member_reset', asked(world, changed))
      expect(await refused({ user_id: ash.viewer, member_id: ash.owner })).toBe('role_insufficient')
      expect(await refused({ user_id: ash.unenrolled })).toBe('role_insufficient')
      expect(await refused({ user_id: birch.owner })).toBe('not_a_member')
      expect(await refused({ user_id: outsider })).toBe('not_a_member')
      expect(await refused({ member_id: ash.owner })).toBe('reset_of_oneself')
      expect(await refused({ member_id: ash.unenrolled })).toBe('reset_not_needed')
      // Another agency's person is unknown like one that never was.
      expect(await refused({ member_id: birch.viewer })).toBe('member_unknown')
      expect(await refused({ member_id: randomUUID() })).toBe('member_unknown')
      await tx`update flarewatch.tenants set state = 'deleting', deleting_since = ${NOW} where id = ${ash.id}`
      expect(await refused({})).toBe('tenant_not_active')
    }))

  test('is one at a time a person, also of two agencies, and a retry is known', () =>
    inWorld(async (tx, world) => {
      const { ash, birch } = world
      await join(tx, birch.id, ash.viewer, 'viewer')
      const request = asked(world)
      const answer = await call(tx, 'request_member_reset', request)
      expect(answer).toMatchObject({ reset: { member_id: ash.viewer } })
      expect(await call(tx, 'request_member_reset', request)).toEqual(answer)
      expect(await call(tx, 'request_member_reset', asked(world))).toBe('member_reset_open')
      const other = asked(world, { tenant_id: birch.id, user_id: birch.owner })
      expect(await call(tx, 'request_member_reset', other)).toBe('member_reset_open')
    }))

  test('is finished 24 hours later and not a moment before, by one call at a time', () =>
    inWorld(async (tx, world) => {
      const { viewer } = world.ash
      await call(tx, 'request_member_reset', asked(world))
      expect(await call(tx, 'start_reset_finish', own(viewer, DAY_MS - 1))).toEqual({ state: 'not_due' })
      expect(await call(tx, 'start_reset_finish', own(world.ash.owner, DAY_MS))).toEqual({ state: 'unknown' })
      expect(await call(tx, 'start_reset_finish', own(viewer, DAY_MS))).toEqual({ state: 'started' })
      expect(await call(tx, 'start_reset_finish', own(viewer, DAY_MS + 299_000))).toEqual({ state: 'running' })
      // The one that failed at Auth costs no further day.
      expect(await call(tx, 'start_reset_finish', own(viewer, DAY_MS + 300_000))).toEqual({ state: 'started' })
      expect(await call(tx, 'close_member_reset', own(viewer))).toEqual({ closed: true })
      expect(await call(tx, 'start_reset_finish', own(viewer, 2 * DAY_MS))).toEqual({ state: 'unknown' })
    }))

  test('is worth nothing a week after it was due, and then makes room for another', () =>
    inWorld(async (tx, world) => {
      const { viewer } = world.ash
      await call(tx, 'request_member_reset', asked(world))
      expect(await call(tx, 'own_member_reset', own(viewer, 8 * DAY_MS - 1))).toMatchObject({
        reset: { tenant_name: 'Ash' },
      })
      expect(await call(tx, 'own_member_reset', own(viewer, 8 * DAY_MS))).toEqual({ reset: null })
      const late = asked(world, { at: at(8 * DAY_MS) })
      expect(await call(tx, 'request_member_reset', late)).toMatchObject({ reset: { member_id: viewer } })
      expect(await call(tx, 'start_reset_finish', own(viewer, 17 * DAY_MS))).toEqual({ state: 'unknown' })
    }))

  test('is cancelled by the person, and by an owner of any agency of theirs, and by nobody else', () =>
    inWorld(async (tx, world) => {
      const { ash, birch, outsider } = world
      const cancel = (tenant_id: string, user_id: string) =>
        call(tx, 'cancel_member_reset', { tenant_id, user_id, member_id: ash.viewer })
      await call(tx, 'request_member_reset', asked(world))
      expect(await cancel(birch.id, birch.owner)).toBe('member_reset_unknown')
      expect(await cancel(ash.id, birch.owner)).toBe('not_a_member')
      expect(await cancel(ash.id, ash.unenrolled)).toBe('role_insufficient')
      expect(await call(tx, 'close_member_reset', own(outsider))).toEqual({ closed: false })
      expect(await isOpen(tx, ash.viewer)).toBe(true)
      expect(await cancel(ash.id, ash.owner)).toEqual({ cancelled: true })
      expect(await cancel(ash.id, ash.owner)).toBe('member_reset_unknown')
      await call(tx, 'request_member_reset', asked(world))
      expect(await call(tx, 'close_member_reset', own(ash.viewer))).toEqual({ closed: true })
      await join(tx, birch.id, ash.viewer, 'viewer')
      await call(tx, 'request_member_reset', asked(world))
      expect(await cancel(birch.id, birch.owner)).toEqual({ cancelled: true })
      expect(await isOpen(tx, ash.viewer)).toBe(false)
    }))

  test.each([
    ['the person shows their second factor', showTotp],
    ['the person verifies another factor', (tx: Tx, { ash }: World) => enrolLater(tx, ash.viewer)],
    [
      'the agency is being deleted',
      (tx: Tx, { ash }: World) =>
        tx`update flarewatch.tenants set state = 'deleting', deleting_since = ${NOW} where id = ${ash.id}`,
    ],
  ] as const)('is dead once %s', (_, happens) =>
    inWorld(async (tx, world) => {
      const { viewer } = world.ash
      await call(tx, 'request_member_reset', asked(world))
      expect(await call(tx, 'own_member_reset', own(viewer))).toMatchObject({ reset: { tenant_name: 'Ash' } })
      await happens(tx, world)
      expect(await call(tx, 'own_member_reset', own(viewer))).toEqual({ reset: null })
      expect(await call(tx, 'start_reset_finish', own(viewer, DAY_MS))).toEqual({ state: 'unknown' })
      expect(await isOpen(tx, viewer)).toBe(false)
    }),
  )

  test('that is dead makes room for another', () =>
    inWorld(async (tx, world) => {
      await call(tx, 'request_member_reset', asked(world))
      await showTotp(tx, world)
      const later = asked(world, { at: at(60_000) })
      expect(await call(tx, 'request_member_reset', later)).toMatchObject({ reset: { member_id: world.ash.viewer } })
      expect(await call(tx, 'start_reset_finish', own(world.ash.viewer, DAY_MS))).toEqual({ state: 'not_due' })
    }))

  test.each([
    ['the person is removed', (world: World) => ({ member_id: world.ash.viewer, role: null })],
    ['who asked is removed', (world: World) => ({ member_id: world.ash.owner, role: null })],
    ['who asked is no owner any more', (world: World) => ({ member_id: world.ash.owner, role: 'operator' })],
  ])('ends when %s, and does not come back with them', (_, change) =>
    inWorld(async (tx, world) => {
      const { ash, outsider } = world
      await join(tx, ash.id, outsider, 'owner')
      await call(tx, 'request_member_reset', asked(world))
      const by = { tenant_id: ash.id, user_id: outsider, idempotency: idempotency() }
      expect(await call(tx, 'change_member', { ...by, ...change(world) })).toMatchObject({ role: change(world).role })
      expect(await isOpen(tx, ash.viewer)).toBe(false)
    }),
  )

  test('stays when somebody else changes', () =>
    inWorld(async (tx, world) => {
      const { ash } = world
      await call(tx, 'request_member_reset', asked(world))
      const by = { tenant_id: ash.id, user_id: ash.owner, idempotency: idempotency() }
      await call(tx, 'change_member', { ...by, member_id: ash.viewer, role: 'operator' })
      expect(await isOpen(tx, ash.viewer)).toBe(true)
    }))

  test('T2: is mailed at once to the person and to every owner of theirs, and no row holds an address or the other agency', () =>
    inWorld(async (tx, world) => {
      const { ash, birch } = world
      await join(tx, birch.id, ash.viewer, 'viewer')
      await call(tx, 'request_member_reset', asked(world))
      const claimed = await as(
        tx,
        'flarewatch_notifier',
        () => tx<{ address: string; tenant_name: string; payload: { to: string; member_id: string } }[]>`
          select address, tenant_name, payload from flarewatch.claim_mail(${at()}, 60, 10) order by address`,
      )
      expect(claimed.map(({ address, tenant_name, payload }) => [address, tenant_name, payload.to])).toEqual([
        ['owner@ash.test', 'Ash', 'owner'],
        ['owner@birch.test', 'Birch', 'other_owner'],
        ['viewer@ash.test', 'Ash', 'member'],
      ])
      for (const { payload } of claimed) {
        expect(Object.keys(payload).sort()).toEqual(['due_at', 'member_id', 'to'])
        expect(payload.member_id).toBe(ash.viewer)
      }
    }))
})

describe('an open invitation', () => {
  test('is withdrawn by an owner of its agency, once, and nobody joins by it', () =>
    inWorld(async (tx, { ash, birch }) => {
      const id = randomUUID()
      await tx`
        insert into flarewatch.invitations (id, tenant_id, email, role, token_hash, invited_by, created_at, expires_at)
        values (${id}, ${ash.id}, 'new@x.test', 'viewer', ${randomBytes(32)}, ${ash.owner}, ${NOW}, ${at(DAY_MS)})`
      const withdraw = (tenant_id: string, user_id: string, invitation_id = id) =>
        call(tx, 'withdraw_invitation', { tenant_id, user_id, invitation_id })
      expect(await withdraw(ash.id, ash.viewer)).toBe('role_insufficient')
      expect(await withdraw(ash.id, birch.owner)).toBe('not_a_member')
      // Another agency's invitation is unknown like one that never was.
      expect(await withdraw(birch.id, birch.owner)).toBe('invitation_unknown')
      expect(await withdraw(birch.id, birch.owner, randomUUID())).toBe('invitation_unknown')
      expect(await withdraw(ash.id, ash.owner)).toEqual({ invitation_id: id })
      expect(await withdraw(ash.id, ash.owner)).toBe('invitation_unknown')
    }))

  test('that was accepted is a membership, and is not withdrawn', () =>
    inWorld(async (tx, { ash }) => {
      const id = randomUUID()
      await tx`
        insert into flarewatch.invitations
          (id, tenant_id, email, role, token_hash, invited_by, created_at, expires_at, accepted_at, accepted_by)
        values (${id}, ${ash.id}, 'new@x.test', 'viewer', ${randomBytes(32)}, ${ash.owner}, ${NOW}, ${at(DAY_MS)}, ${NOW},
          ${ash.viewer})`
      const asked = { tenant_id: ash.id, user_id: ash.owner, invitation_id: id }
      expect(await call(tx, 'withdraw_invitation', asked)).toBe('invitation_unknown')
    }))
})

async function showTotp(tx: Tx, { ash }: World): Promise<void> {
  const session = randomUUID()
  const then = at(1000)
  await tx`insert into auth.sessions (id, user_id) values (${session}, ${ash.viewer})`
  await tx`
    insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
    values (${randomUUID()}, ${session}, ${then}, ${then}, 'totp')`
}

async function enrolLater(tx: Tx, user: string): Promise<void> {
  await tx`delete from auth.mfa_factors where user_id = ${user}`
  await enrolTotp(tx, user, 'verified')
  await tx`update auth.mfa_factors set created_at = ${at(1000)} where user_id = ${user}`
}
