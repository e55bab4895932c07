import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { WORKER_ROLES } from '../../local/postgres/roles.ts'
import { as, connectAs, INSUFFICIENT_PRIVILEGE, type Role, refusal, rolledBack, type Tx } from './database.ts'
import { NOW, seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const DAY_MS = 24 * 60 * 60_000

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => {
    const world = await seedWorld(tx)
    await tx`delete from flarewatch.mail_outbox`
    await act(tx, world)
  })
}

async function mailOwners(tx: Tx, { id, owner }: Tenant, keyId: string): Promise<void> {
  const activeAt = new Date(NOW.getTime() + DAY_MS)
  await tx`select flarewatch.mail_operator_key(${id}, ${owner}, ${keyId}, ${activeAt}, ${NOW})`
}

/** The answer, or the stable code of a refusal: as the Edge Functions see it. */
async function recordFor(tx: Tx, tenant: string, user: string, credential: string): Promise<unknown> {
  const request = { tenant_id: tenant, user_id: user, credential_id: credential }
  try {
    const rows = await tx.savepoint((inner) =>
      as(inner, 'service_role', () => inner`select privileged.sealed_record(${inner.json(request)}) as answer`),
    )
    return rows[0]?.answer
  } catch (error) {
    if (error instanceof postgres.PostgresError && /^FW0\d\d$/.test(error.code)) return error.message
    throw error
  }
}

describe('the mail of an operator key', () => {
  test('V7: goes to every owner of the tenant and to nobody else, once a key', () =>
    inWorld(async (tx, { ash }) => {
      const [second, keyId] = [randomUUID(), randomUUID()]
      await tx`insert into flarewatch.members (tenant_id, user_id, role) values (${ash.id}, ${second}, 'owner')`
      await as(tx, 'flarewatch_vault', () => mailOwners(tx, ash, keyId))
      await as(tx, 'flarewatch_vault', () => mailOwners(tx, ash, keyId))
      const mails = await tx`select user_id, payload from flarewatch.mail_outbox where kind = 'operator_key'`
      expect(mails.map(({ user_id }) => user_id).sort()).toEqual([ash.owner, second].sort())
      const activeAt = new Date(NOW.getTime() + DAY_MS).toISOString()
      expect(mails[0]?.payload).toEqual({ key_id: keyId, member_id: ash.owner, active_at: activeAt })
    }))

  test.each(
    [...WORKER_ROLES, 'anon', 'authenticated', 'service_role'].filter((role) => role !== 'flarewatch_vault') as Role[],
  )('is not for %s to write', (role) =>
    inWorld(async (tx, { ash }) => {
      expect(await refusal(tx, role, (inner) => mailOwners(inner, ash, randomUUID()))).toBe(INSUFFICIENT_PRIVILEGE)
    }),
  )
})

describe("a record's ciphertext", () => {
  test('V7: is handed out for an owner, and holds nothing of a key', () =>
    inWorld(async (tx, { ash }) => {
      const [stored] = await tx<{ ciphertext: Uint8Array }[]>`
        select ciphertext from flarewatch.credentials where id = ${ash.credentialId}`
      const ciphertext = Buffer.from(stored?.ciphertext ?? []).toString('base64url')
      expect(await recordFor(tx, ash.id, ash.owner, ash.credentialId)).toEqual({ dek_version: 1, ciphertext })
    }))

  test('T4: is refused to every other role, to strangers, and across tenants', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      expect(await recordFor(tx, ash.id, ash.viewer, ash.credentialId)).toBe('role_insufficient')
      expect(await recordFor(tx, ash.id, ash.unenrolled, ash.credentialId)).toBe('role_insufficient')
      expect(await recordFor(tx, ash.id, outsider, ash.credentialId)).toBe('not_a_member')
      expect(await recordFor(tx, birch.id, ash.owner, ash.credentialId)).toBe('not_a_member')
      expect(await recordFor(tx, ash.id, ash.owner, birch.credentialId)).toBe('credential_unknown')
      expect(await recordFor(tx, ash.id, ash.owner, randomUUID())).toBe('credential_unknown')
    }))
})
