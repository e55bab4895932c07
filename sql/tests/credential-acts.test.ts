import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { as, connectAs, fromLiveSession, rolledBack, type Tx } from './database.ts'
import { NOW, seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const text = (length: number) => randomBytes(length).toString('base64url')

type Name = 'rotate_credential' | 'delete_credential' | 'sealed_credential' | 'console_credential' | 'keep_response'
type Request = Record<string, unknown>

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => act(tx, await seedWorld(tx)))
}

/** The answer, or the stable code of a refusal: as the Edge Functions see it. */
async function call(tx: Tx, name: Name, request: Request): Promise<unknown> {
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

async function rotation(tx: Tx, { id, owner, credentialId }: Tenant, changed: Request = {}) {
  const [row] = await tx<{ salt: Uint8Array }[]>`select salt from flarewatch.credentials where id = ${credentialId}`
  const credential = {
    id: credentialId,
    provider: 'cloudflare',
    kek_version: 1,
    wrapped_dek: text(60),
    dek_version: 1,
    salt: text(32),
    ciphertext: text(101),
    replaces: Buffer.from(row?.salt ?? []).toString('base64url'),
    last4: 'new4',
    scope: '1 zone',
    grade: 'over_scoped',
    can: ['edit DNS', 'read zones'],
    excess: ['edit DNS'],
  }
  const request = { tenant_id: id, user_id: owner, credential, sites: [], at: NOW.toISOString(), ...changed }
  return { ...request, idempotency: idempotency('credential-rotate') }
}
const deletion = ({ id, owner, credentialId }: Tenant, changed: Request = {}) => ({
  tenant_id: id,
  user_id: owner,
  credential_id: credentialId,
  at: NOW.toISOString(),
  idempotency: idempotency('credential-delete'),
  ...changed,
})

describe('rotating a credential', () => {
  test('puts the whole new record in the old one’s place and brings a parked one back, once a key', () =>
    inWorld(async (tx, { ash }) => {
      await tx`update flarewatch.credentials set state = 'parked', reason = 'provider_unauthorized' where id = ${ash.credentialId}`
      const request = await rotation(tx, ash)
      const answer = await call(tx, 'rotate_credential', request)
      expect(answer).toMatchObject({ credential: { id: ash.credentialId, label: 'Main', last4: 'new4' } })
      expect(await call(tx, 'rotate_credential', request)).toEqual(answer)
      const [row] = await tx`
        select ciphertext, salt, state, reason, to_jsonb(excess) as excess, rotated_at from flarewatch.credentials where id = ${ash.credentialId}`
      expect(row).toEqual({
        ciphertext: Buffer.from(request.credential.ciphertext, 'base64url'),
        salt: Buffer.from(request.credential.salt, 'base64url'),
        state: 'active',
        reason: null,
        excess: ['edit DNS'],
        rotated_at: NOW,
      })
    }))

  test('takes the place of the record that the vault saw, and of no other', () =>
    inWorld(async (tx, { ash }) => {
      const [first, second] = [await rotation(tx, ash), await rotation(tx, ash)]
      expect(await call(tx, 'rotate_credential', first)).toHaveProperty('credential')
      expect(await call(tx, 'rotate_credential', second)).toBe('credential_moved')
    }))

  test('T4: is for no stranger, no viewer and no other tenant’s credential', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      expect(await call(tx, 'rotate_credential', await rotation(tx, ash, { user_id: outsider }))).toBe('not_a_member')
      expect(await call(tx, 'rotate_credential', await rotation(tx, ash, { user_id: ash.viewer }))).toBe(
        'role_insufficient',
      )
      const theirs = await rotation(tx, birch, { tenant_id: ash.id, user_id: ash.owner })
      expect(await call(tx, 'rotate_credential', theirs)).toBe('credential_moved')
    }))
})

const ACT = 'provider.remove_suppression'

describe('deleting a credential', () => {
  test('V1: destroys all that opens, ends its jobs, and keeps its line and its sites', () =>
    inWorld(async (tx, { ash }) => {
      const request = deletion(ash)
      const answer = await call(tx, 'delete_credential', request)
      expect(answer).toMatchObject({ credential: { id: ash.credentialId } })
      expect(await call(tx, 'delete_credential', request)).toEqual(answer)
      expect(await call(tx, 'delete_credential', deletion(ash))).toBe('credential_unknown')
      const [row] = await tx`
        select num_nonnulls(kek_version, wrapped_dek, dek_version, salt, ciphertext) as kept, state, last4, deleted_at
        from flarewatch.credentials where id = ${ash.credentialId}`
      expect(row).toEqual({ kept: 0, state: 'parked', last4: 'wxyz', deleted_at: NOW })
      const [job] = await tx`select state, run_state, reason from flarewatch.jobs where id = ${ash.jobId}`
      expect(job).toEqual({ state: 'failed', run_state: 'failed', reason: 'credential_deleted' })
      const [site] = await tx`select credential_id from flarewatch.sites where id = ${ash.siteId}`
      expect(site?.credential_id).toBe(ash.credentialId)
      const use = {
        act: ACT,
        tenant_id: ash.id,
        user_id: ash.owner,
        credential_id: ash.credentialId,
        site_id: ash.siteId,
      }
      expect(await call(tx, 'sealed_credential', use)).toBe('credential_unknown')
    }))

  test('T4: is an owner’s, of the own tenant', () =>
    inWorld(async (tx, { ash, birch }) => {
      expect(await call(tx, 'delete_credential', deletion(ash, { user_id: ash.viewer }))).toBe('role_insufficient')
      expect(await call(tx, 'delete_credential', deletion(ash, { user_id: birch.owner }))).toBe('not_a_member')
      const theirs = deletion(birch, { tenant_id: ash.id, user_id: ash.owner })
      expect(await call(tx, 'delete_credential', theirs)).toBe('credential_unknown')
    }))

  test('no row is half destroyed, nor active without a key', () =>
    inWorld(async (tx, { ash }) => {
      const half = tx.savepoint(
        (inner) => inner`update flarewatch.credentials set salt = null where id = ${ash.credentialId}`,
      )
      await expect(half).rejects.toThrow('credentials_sealed_until_deleted')
    }))
})

describe('an act at the provider', () => {
  test('T4: reads the sealed record of the own tenant’s site alone', () =>
    inWorld(async (tx, { ash, birch }) => {
      const use = {
        act: ACT,
        tenant_id: ash.id,
        user_id: ash.owner,
        credential_id: ash.credentialId,
        site_id: ash.siteId,
      }
      for (const act of [undefined, 'credential.reveal', 'console.query'])
        expect(await call(tx, 'sealed_credential', { ...use, act })).toBe('request_invalid')
      expect(await call(tx, 'sealed_credential', { ...use, act: 'provider.unknown' })).toBe('role_insufficient')
      expect(await call(tx, 'sealed_credential', use)).toMatchObject({ name: 'example.org', provider_ref: ash.siteId })
      expect(await call(tx, 'sealed_credential', { ...use, user_id: ash.viewer })).toBe('role_insufficient')
      expect(await call(tx, 'sealed_credential', { ...use, site_id: birch.siteId })).toBe('credential_unknown')
      expect(await call(tx, 'sealed_credential', { ...use, credential_id: birch.credentialId })).toBe(
        'credential_unknown',
      )
    }))

  test('T4: a console statement’s reads that of the own tenant’s Supabase project alone', () =>
    inWorld(async (tx, { ash, birch }) => {
      const use = { tenant_id: ash.id, user_id: ash.owner, credential_id: ash.credentialId, site_id: ash.siteId }
      const read = async (changed: Request = {}) =>
        call(tx, 'console_credential', await fromLiveSession(tx, { ...use, ...changed }))
      expect(await read()).toBe('credential_unknown')
      await tx`update flarewatch.credentials set provider = 'supabase'`
      expect(await read()).toMatchObject({ provider_ref: ash.siteId, ciphertext: expect.any(String) })
      expect(await read({ user_id: ash.viewer })).toBe('role_insufficient')
      expect(await read({ user_id: birch.owner })).toBe('not_a_member')
      expect(await read({ session_id: randomUUID() })).toBe('session_ended')
      expect(await read({ site_id: birch.siteId })).toBe('credential_unknown')
      expect(await read({ credential_id: birch.credentialId })).toBe('credential_unknown')
    }))

  test('keeps the first answer of a key', () =>
    inWorld(async (tx, { ash }) => {
      const kept = { user_id: ash.owner, idempotency: idempotency('provider-action'), response: { n: 1 } }
      expect(await call(tx, 'keep_response', kept)).toEqual({ n: 1 })
      expect(await call(tx, 'keep_response', { ...kept, response: { n: 2 } })).toEqual({ n: 1 })
    }))
})
