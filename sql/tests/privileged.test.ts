import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { WORKER_ROLES } from '../../local/postgres/roles.ts'
import { as, connectAs, fromLiveSession, INSUFFICIENT_PRIVILEGE, refusal, rolledBack, type Tx } from './database.ts'
import { NOW, seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const text = (length: number) => randomBytes(length).toString('base64url')

type Request = Record<string, unknown>
type Name = 'begin_tenant' | 'activate_tenant' | 'store_credential' | 'idempotent_response'

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => act(tx, await seedWorld(tx)))
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

const birthOf = (tenantId: string, userId: string) => ({
  tenant_id: tenantId,
  name: 'Cedar',
  user_id: userId,
  audit_key: { version: 1, kek_version: 1, wrapped_key: text(60) },
})
const activation = (tenantId: string, userId: string) => ({
  tenant_id: tenantId,
  user_id: userId,
  dek: { version: 1, kek_version: 1, wrapped_dek: text(60) },
})

function deposit({ id, owner }: Tenant, changed: Request = {}) {
  const credential = {
    id: randomUUID(),
    provider: 'cloudflare',
    label: 'Main account',
    kek_version: 1,
    wrapped_dek: text(60),
    dek_version: 1,
    salt: text(32),
    ciphertext: text(101),
    last4: 'a-_9',
    scope: 'Analytics: read',
    grade: 'read_only',
  }
  const sites = [{ id: randomUUID(), provider_ref: randomUUID(), name: 'b.example', time_zone: 'UTC' }]
  const idempotency = { key: randomUUID(), function: 'credential-store', request_digest: text(32) }
  return { tenant_id: id, user_id: owner, credential, sites, idempotency, at: NOW.toISOString(), ...changed }
}

describe('birth of a tenant', () => {
  test('is pending with an owner and an audit key, then active with a DEK', () =>
    inWorld(async (tx, { outsider }) => {
      const id = randomUUID()
      const birth = birthOf(id, outsider)
      expect(await call(tx, 'begin_tenant', birth)).toEqual({ state: 'pending', audit_key: birth.audit_key })
      const activated = { tenant: { id, name: 'Cedar', state: 'active' } }
      const dek = activation(id, outsider)
      expect(await call(tx, 'activate_tenant', dek)).toEqual(activated)
      const [stored] = await tx`
        select m.role, encode(k.wrapped_dek, 'hex') as dek from flarewatch.members m
        join flarewatch.tenant_keys k on k.tenant_id = m.tenant_id where m.tenant_id = ${id}`
      expect(stored).toEqual({ role: 'owner', dek: Buffer.from(dek.dek.wrapped_dek, 'base64url').toString('hex') })
    }))

  test('resumes: a repetition answers with the keys that were stored first', () =>
    inWorld(async (tx, { outsider }) => {
      const id = randomUUID()
      const first = birthOf(id, outsider)
      await call(tx, 'begin_tenant', first)
      expect(await call(tx, 'begin_tenant', birthOf(id, outsider))).toEqual({
        state: 'pending',
        audit_key: first.audit_key,
      })
      await call(tx, 'activate_tenant', activation(id, outsider))
      expect(await call(tx, 'activate_tenant', activation(id, outsider))).toMatchObject({ tenant: { state: 'active' } })
      const keys = await tx`select version from flarewatch.tenant_keys where tenant_id = ${id}`
      expect(keys).toHaveLength(1)
      expect(await call(tx, 'begin_tenant', birthOf(id, outsider))).toMatchObject({ state: 'active' })
    }))

  test('T4: another user cannot take over, resume or activate it', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      expect(await call(tx, 'begin_tenant', birthOf(ash.id, outsider))).toBe('tenant_id_taken')
      expect(await call(tx, 'begin_tenant', birthOf(ash.id, ash.viewer))).toBe('tenant_id_taken')
      expect(await call(tx, 'activate_tenant', activation(ash.id, birch.owner))).toBe('not_a_member')
      expect(await call(tx, 'activate_tenant', activation(ash.id, ash.viewer))).toBe('role_insufficient')
    }))
})

describe('storing a credential', () => {
  test('stores the record byte for byte, its sites, and when it is due', () =>
    inWorld(async (tx, { ash }) => {
      const request = deposit(ash)
      const { credential, sites } = request
      expect(await call(tx, 'store_credential', request)).toEqual({
        credential: {
          id: credential.id,
          provider: 'cloudflare',
          label: 'Main account',
          last4: 'a-_9',
          scope: 'Analytics: read',
          grade: 'read_only',
        },
        sites: sites.map(({ id, name }) => ({ id, name })),
      })
      const [stored] =
        await tx`select ciphertext, salt, wrapped_dek, next_poll_at, created_by, state from flarewatch.credentials where id = ${credential.id}`
      expect(stored).toEqual({
        ciphertext: Buffer.from(credential.ciphertext, 'base64url'),
        salt: Buffer.from(credential.salt, 'base64url'),
        wrapped_dek: Buffer.from(credential.wrapped_dek, 'base64url'),
        next_poll_at: NOW,
        created_by: ash.owner,
        state: 'active',
      })
    }))

  test('the same request again answers alike and stores nothing more', () =>
    inWorld(async (tx, { ash }) => {
      const request = deposit(ash)
      const answer = await call(tx, 'store_credential', request)
      expect(await call(tx, 'store_credential', request)).toEqual(answer)
      const { idempotency } = request
      expect(await call(tx, 'idempotent_response', { user_id: ash.owner, ...idempotency })).toEqual({
        response: answer,
      })
      const other = { user_id: ash.owner, ...idempotency, request_digest: text(32) }
      expect(await call(tx, 'idempotent_response', other)).toBe('idempotency_key_reused')
      expect(await call(tx, 'store_credential', deposit(ash, { idempotency: other }))).toBe('idempotency_key_reused')
    }))

  test('a key means nothing for another user', () =>
    inWorld(async (tx, { ash, birch }) => {
      const request = deposit(ash)
      await call(tx, 'store_credential', request)
      expect(await call(tx, 'idempotent_response', { user_id: birch.owner, ...request.idempotency })).toBeNull()
    }))

  test('a site that is known already moves to the newer credential and keeps its id', () =>
    inWorld(async (tx, { ash }) => {
      const first = deposit(ash)
      await call(tx, 'store_credential', first)
      const second = deposit(ash, { sites: first.sites.map((site) => ({ ...site, id: randomUUID() })) })
      const answer = await call(tx, 'store_credential', second)
      expect(answer).toMatchObject({ sites: [{ id: first.sites[0]?.id }] })
      const [site] = await tx`select credential_id from flarewatch.sites where id = ${first.sites[0]?.id ?? ''}`
      expect(site?.credential_id).toBe(second.credential.id)
    }))

  test('T4: refuses strangers, viewers, other tenants’ credentials and tenants that are not active', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      expect(await call(tx, 'store_credential', deposit(ash, { user_id: outsider }))).toBe('not_a_member')
      expect(await call(tx, 'store_credential', deposit(ash, { user_id: birch.owner }))).toBe('not_a_member')
      expect(await call(tx, 'store_credential', deposit(ash, { user_id: ash.viewer }))).toBe('role_insufficient')
      const taken = deposit(ash)
      const theirs = { ...taken, credential: { ...taken.credential, id: birch.credentialId } }
      expect(await call(tx, 'store_credential', theirs)).toBe('credential_exists')
      await tx`update flarewatch.tenants set state = 'pending', activated_at = null where id = ${ash.id}`
      expect(await call(tx, 'store_credential', deposit(ash))).toBe('tenant_not_active')
    }))

  test('a refusal leaves nothing behind', () =>
    inWorld(async (tx, { ash }) => {
      const request = deposit(ash)
      const tooMany = {
        ...request,
        sites: Array.from({ length: 1001 }, () => ({ ...request.sites[0], id: randomUUID() })),
      }
      expect(await call(tx, 'store_credential', tooMany)).toBe('request_invalid')
      const [row] = await tx`select count(*)::int as n from flarewatch.credentials where id = ${request.credential.id}`
      expect(row?.n).toBe(0)
      expect(await call(tx, 'idempotent_response', { user_id: ash.owner, ...request.idempotency })).toBeNull()
    }))
})

describe('D2: the privileged functions are service_role’s alone', () => {
  test('no other role may call one', () =>
    inWorld(async (tx, { ash }) => {
      for (const role of [...WORKER_ROLES, 'anon', 'authenticated', 'authenticator', 'supabase_auth_admin'] as const) {
        const attempt = (inner: Tx) => inner`select privileged.begin_tenant(${inner.json(birthOf(ash.id, ash.owner))})`
        expect(await refusal(tx, role, attempt), role).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }))

  test('and service_role has nothing else: no table, no inner function', () =>
    inWorld(async (tx, { ash }) => {
      const attempts = [
        (inner: Tx) => inner`select 1 from flarewatch.tenants`,
        (inner: Tx) => inner`select flarewatch.require_role(${ash.id}, ${ash.owner}, '{owner}')`,
        (inner: Tx) => inner`select flarewatch.has_verified_totp(${ash.owner})`,
      ]
      for (const attempt of attempts) expect(await refusal(tx, 'service_role', attempt)).toBe(INSUFFICIENT_PRIVILEGE)
    }))
})
