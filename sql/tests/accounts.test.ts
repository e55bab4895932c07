import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { WORKER_ROLES } from '../../local/postgres/roles.ts'
import {
  as,
  asGateway,
  type Claims,
  connectAs,
  countVisible,
  fromLiveSession,
  refusal,
  rolledBack,
  type Tx,
} from './database.ts'
import { addAccount, enrolTotp, NOW, seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const DAY_MS = 86_400_000
const days = (count: number) => new Date(NOW.getTime() + count * DAY_MS)
const text = (length: number) => randomBytes(length).toString('base64url')

type Name = 'invite_member' | 'find_invitation' | 'accept_invitation' | 'change_member'
type Request = Record<string, unknown>

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
    const rows = await tx.savepoint((inner) =>
      as(
        inner,
        'service_role',
        () => inner`select ${inner(`privileged.${name}`)}(${inner.json(request as never)}) as answer`,
      ),
    )
    return rows[0]?.answer
  } catch (error) {
    if (error instanceof postgres.PostgresError && /^FW0\d\d$/.test(error.code)) return error.message
    throw error
  }
}

const idempotency = (name: string) => ({ key: randomUUID(), function: name, request_digest: text(32) })

function invitationTo(tenant: Tenant, email: string, changed: Request = {}) {
  const invitation = {
    id: randomUUID(),
    email,
    role: 'operator',
    token_hash: text(32),
    expires_at: days(7).toISOString(),
  }
  return {
    tenant_id: tenant.id,
    user_id: tenant.owner,
    invitation,
    idempotency: idempotency('member-invite'),
    at: NOW.toISOString(),
    ...changed,
  }
}

/** A person with a confirmed address and a second factor, who is a member of nothing. */
async function newcomer(tx: Tx, email: string, confirmedAt: Date | null = NOW): Promise<string> {
  const id = randomUUID()
  await addAccount(tx, id, email, confirmedAt)
  await enrolTotp(tx, id, 'verified')
  return id
}

const presented = (asked: ReturnType<typeof invitationTo>, user: string, at = NOW) => ({
  token_hash: asked.invitation.token_hash,
  user_id: user,
  at: at.toISOString(),
})

async function roleOf(tx: Tx, tenant: Tenant, user: string): Promise<string | null> {
  const [row] = await tx<{ role: string }[]>`
    select role from flarewatch.members where tenant_id = ${tenant.id} and user_id = ${user}`
  return row?.role ?? null
}

const change = (tenant: Tenant, member: string, role: string | null, by = tenant.owner) => ({
  tenant_id: tenant.id,
  user_id: by,
  member_id: member,
  role,
  idempotency: idempotency('member-role'),
})

async function aMemberAs(tx: Tx, tenant: Tenant, role: string): Promise<string> {
  const user = await newcomer(tx, `${randomUUID()}@ash.test`)
  await tx`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant.id}, ${user}, ${role})`
  return user
}

describe('T4: an act on an agency’s people is refused', () => {
  test.each([
    ['anybody outside', 'outsider', 'not_a_member'],
    ['the owner of another agency', 'other owner', 'not_a_member'],
    ['a viewer', 'viewer', 'role_insufficient'],
    ['an operator', 'operator', 'role_insufficient'],
  ])('to %s', (_, who, code) =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      const people: Record<string, string> = { outsider, 'other owner': birch.owner, viewer: ash.viewer }
      const by = people[who] ?? (await aMemberAs(tx, ash, 'operator'))
      expect(await call(tx, 'invite_member', invitationTo(ash, 'new@x.test', { user_id: by }))).toBe(code)
      expect(await call(tx, 'change_member', change(ash, ash.viewer, 'owner', by))).toBe(code)
      expect(await call(tx, 'change_member', change(ash, ash.viewer, null, by))).toBe(code)
      expect(await tx`select from flarewatch.invitations`).toHaveLength(0)
      expect(await roleOf(tx, ash, ash.viewer)).toBe('viewer')
    }),
  )

  test('where the agency is being deleted, and what it had open is gone', () =>
    inWorld(async (tx, { ash }) => {
      const asked = invitationTo(ash, 'new@x.test')
      await call(tx, 'invite_member', asked)
      await tx`update flarewatch.tenants set state = 'deleting', deleting_since = ${NOW} where id = ${ash.id}`
      expect(await tx`select from flarewatch.invitations`).toHaveLength(0)
      expect(await call(tx, 'invite_member', invitationTo(ash, 'late@x.test'))).toBe('tenant_not_active')
    }))

  test.each([...WORKER_ROLES, 'anon', 'authenticated'] as const)('to %s, by every function', (role) =>
    inWorld(async (tx) => {
      for (const name of ['invite_member', 'find_invitation', 'accept_invitation', 'change_member']) {
        expect(
          await refusal(tx, role, (inner) => inner`select ${inner(`privileged.${name}`)}('{}'::jsonb)`),
          name,
        ).toBe('42501')
      }
    }),
  )
})

describe('an invitation', () => {
  test('makes who has its token, its address and a second factor a member, once', () =>
    inWorld(async (tx, { ash }) => {
      const asked = invitationTo(ash, 'new@x.test')
      const { token_hash: _, ...told } = asked.invitation
      expect(await call(tx, 'invite_member', asked)).toEqual({ invitation: told })
      expect(await call(tx, 'invite_member', asked)).toEqual({ invitation: told })
      const user = await newcomer(tx, 'New@X.test')
      expect(await call(tx, 'find_invitation', presented(asked, user))).toEqual({ tenant_id: ash.id })
      expect(await call(tx, 'accept_invitation', presented(asked, user))).toEqual({
        tenant: { id: ash.id, name: 'Ash' },
        role: 'operator',
      })
      expect(await roleOf(tx, ash, user)).toBe('operator')
      expect(await call(tx, 'accept_invitation', presented(asked, user))).toBe('invitation_invalid')
    }))

  test('is refused alike when it is late, unknown, for another address, or for one that nobody has confirmed', () =>
    inWorld(async (tx, { ash, birch }) => {
      const asked = invitationTo(ash, 'new@x.test')
      await call(tx, 'invite_member', asked)
      const user = await newcomer(tx, 'new@x.test')
      const other = await newcomer(tx, 'other@x.test')
      const unconfirmed = await newcomer(tx, 'new@x.test', null)
      const unenrolled = randomUUID()
      await addAccount(tx, unenrolled, 'new@x.test')
      for (const request of [
        presented(asked, user, days(8)),
        presented(invitationTo(ash, 'new@x.test'), user),
        presented(asked, other),
        presented(asked, unconfirmed),
        presented(asked, unenrolled),
        presented(asked, birch.owner),
        presented(asked, ash.owner),
      ]) {
        expect(await call(tx, 'find_invitation', request)).toBe('invitation_invalid')
        expect(await call(tx, 'accept_invitation', request)).toBe('invitation_invalid')
      }
    }))

  test('gives way to a newer one for the same address', () =>
    inWorld(async (tx, { ash }) => {
      const [first, second] = [invitationTo(ash, 'new@x.test'), invitationTo(ash, 'new@x.test')]
      await call(tx, 'invite_member', first)
      await call(tx, 'invite_member', second)
      const user = await newcomer(tx, 'new@x.test')
      expect(await call(tx, 'find_invitation', presented(first, user))).toBe('invitation_invalid')
      expect(await call(tx, 'find_invitation', presented(second, user))).toEqual({ tenant_id: ash.id })
    }))

  test('T2: is mailed to its address, and no row of the database holds the token or the outbox the address', () =>
    inWorld(async (tx, { ash }) => {
      const asked = invitationTo(ash, 'new@x.test')
      await call(tx, 'invite_member', asked)
      const [row] = await tx<{ payload: Request }[]>`select payload from flarewatch.mail_outbox`
      expect(Object.keys(row?.payload ?? {}).sort()).toEqual(['expires_at', 'id', 'role'])
      const claim = (at: Date) =>
        as(
          tx,
          'flarewatch_notifier',
          () => tx`select kind, address, to_operator from flarewatch.claim_mail(${at}, 60, 9)`,
        )
      expect([...(await claim(NOW))]).toEqual([{ kind: 'invitation', address: 'new@x.test', to_operator: false }])
      expect((await claim(days(8)))[0]).toMatchObject({ address: null, to_operator: false })
    }))
})

describe('a membership', () => {
  test('changes its role, and ends; what the person saw they see no more at once', () =>
    inWorld(async (tx, { ash }) => {
      expect(await call(tx, 'change_member', change(ash, ash.viewer, 'operator'))).toEqual({
        member_id: ash.viewer,
        role: 'operator',
      })
      const claims: Claims = { sub: ash.viewer, aal: 'aal2', tenant_id: ash.id }
      expect(await asGateway(tx, claims, () => countVisible(tx, 'sites'))).toBe(1)
      const removal = change(ash, ash.viewer, null)
      const answer = { member_id: ash.viewer, role: null }
      expect(await call(tx, 'change_member', removal)).toEqual(answer)
      expect(await call(tx, 'change_member', removal)).toEqual(answer)
      expect(await asGateway(tx, claims, () => countVisible(tx, 'sites'))).toBe(0)
      expect(await asGateway(tx, claims, () => countVisible(tx, 'tenants'))).toBe(0)
      expect(await call(tx, 'change_member', change(ash, ash.viewer, null))).toBe('member_unknown')
    }))

  test('of the last owner stays as it is, until there is another', () =>
    inWorld(async (tx, { ash, birch }) => {
      expect(await call(tx, 'change_member', change(ash, ash.owner, null))).toBe('last_owner')
      expect(await call(tx, 'change_member', change(ash, ash.owner, 'viewer'))).toBe('last_owner')
      expect(await call(tx, 'change_member', change(ash, birch.viewer, null))).toBe('member_unknown')
      await call(tx, 'change_member', change(ash, ash.viewer, 'owner'))
      expect(await call(tx, 'change_member', change(ash, ash.owner, null))).toEqual({
        member_id: ash.owner,
        role: null,
      })
      expect(await call(tx, 'change_member', change(ash, ash.viewer, null, ash.owner))).toBe('not_a_member')
    }))
})

describe('T4: what the gateway shows of people', () => {
  const seen = (tx: Tx, claims: Claims | null) =>
    asGateway(tx, claims, async () => {
      const people = await tx<{ email: string }[]>`select email from flarewatch.people()`
      return [people.length, await countVisible(tx, 'invitations')]
    })

  test('is the owner’s in full, a viewer’s without invitations, and nobody else’s', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      await call(tx, 'invite_member', invitationTo(ash, 'new@x.test'))
      const operator = await aMemberAs(tx, ash, 'operator')
      const at = (sub: string, aal: Claims['aal'] = 'aal2') => seen(tx, { sub, aal, tenant_id: ash.id })
      expect(await at(ash.owner)).toEqual([4, 1])
      expect(await at(ash.viewer)).toEqual([4, 0])
      expect(await at(operator)).toEqual([4, 0])
      for (const [who, aal] of [
        [ash.owner, 'aal1'],
        [ash.unenrolled, 'aal2'],
        [birch.owner, 'aal2'],
        [outsider, 'aal2'],
      ] as const) {
        expect(await at(who, aal), `${who} ${aal}`).toEqual([0, 0])
      }
      expect(await seen(tx, null)).toEqual([0, 0])
      expect(await seen(tx, { sub: ash.owner, aal: 'aal2', tenant_id: birch.id })).toEqual([0, 0])
    }))
})
