import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { as, asConnector, connectAs, INSUFFICIENT_PRIVILEGE, refusal, rolledBack, type Tx } from './database.ts'
import { AFTER_LEASE, NOW, seedCredential, seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const HOUR = 3_600_000
const FOREIGN_KEY_VIOLATION = '23503'

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => {
    const world = await seedWorld(tx)
    // Nothing is due: what is claimed here is to be re-sealed.
    await tx`update flarewatch.credentials set next_poll_at = ${new Date(NOW.getTime() + 100 * HOUR)}`
    await act(tx, world)
  })
}

async function addDek(tx: Tx, { id }: Tenant, version: number): Promise<boolean> {
  const [row] = await as(
    tx,
    'flarewatch_vault',
    () => tx`select flarewatch.add_dek(${id}, ${version}, 1, ${randomBytes(60)}) as added`,
  )
  return row?.added
}

async function claim(tx: Tx, at = NOW, batch = 100): Promise<{ id: string; kind: string; credential: string }[]> {
  const rows = await as(
    tx,
    'flarewatch_scheduler',
    () => tx<{ id: string }[]>`select job_id as id from flarewatch.claim_due(${at}, 300, ${batch})`,
  )
  if (rows.length === 0) return []
  const jobs = await tx<{ id: string; kind: string; credential: string }[]>`
    select id, kind, credential_id as credential from flarewatch.jobs where id in ${tx(rows.map(({ id }) => id))}`
  return jobs.slice()
}

async function swap(tx: Tx, jobId: string, from: number, to: number, at = NOW): Promise<boolean> {
  const [row] = await asConnector(
    tx,
    jobId,
    at,
    () =>
      tx`select flarewatch.reseal_credential(${from}, ${to}, 1, ${randomBytes(60)}, ${randomBytes(32)}, ${randomBytes(99)}) as swapped`,
  )
  return row?.swapped
}

async function destroyed(tx: Tx, { id }: Tenant): Promise<number[]> {
  const rows = await as(tx, 'flarewatch_vault', () => tx`select flarewatch.destroy_old_deks(${id}) as version`)
  return rows.map(({ version }) => version)
}

async function standing(tx: Tx, { id }: Tenant, at = NOW) {
  const [row] = await as(
    tx,
    'flarewatch_vault',
    () =>
      tx`select newest, to_jsonb(versions) as versions, credentials::int, behind::int, failing::int from flarewatch.dek_standing(${id}, ${at})`,
  )
  return row
}

describe('V1: a DEK rotation in SQL', () => {
  test('carries records over one by one, then destroys the version that none names, and only that', () =>
    inWorld(async (tx, { ash, birch }) => {
      const second = randomUUID()
      await seedCredential(tx, ash.id, second, AFTER_LEASE)
      expect(await addDek(tx, ash, 2)).toBe(true)
      expect(await standing(tx, ash)).toEqual({ newest: 2, versions: [1, 2], credentials: 2, behind: 2, failing: 0 })
      const jobs = await claim(tx)
      expect(jobs.map(({ kind, credential }) => [kind, credential]).sort()).toEqual(
        [ash.credentialId, second].sort().map((id) => ['reseal', id]),
      )
      expect(await claim(tx)).toEqual([])
      const [first, last] = jobs
      expect(await swap(tx, first?.id ?? '', 1, 2)).toBe(true)
      expect(await destroyed(tx, ash)).toEqual([])
      expect(await standing(tx, ash)).toMatchObject({ behind: 1, versions: [1, 2] })
      expect(await swap(tx, last?.id ?? '', 1, 2)).toBe(true)
      expect(await destroyed(tx, ash)).toEqual([1])
      expect(await standing(tx, ash)).toEqual({ newest: 2, versions: [2], credentials: 2, behind: 0, failing: 0 })
      expect(await standing(tx, birch)).toMatchObject({ newest: 1, versions: [1] })
      expect(await addDek(tx, ash, 3)).toBe(true)
    }))

  test('is begun once: neither twice, nor out of order, nor for a tenant that is not active', () =>
    inWorld(async (tx, { ash, birch }) => {
      expect(await addDek(tx, ash, 3)).toBe(false)
      expect(await addDek(tx, ash, 2)).toBe(true)
      for (const version of [2, 3]) expect(await addDek(tx, ash, version)).toBe(false)
      await tx`update flarewatch.tenants set state = 'deleting', deleting_since = ${NOW} where id = ${birch.id}`
      expect(await addDek(tx, birch, 2)).toBe(false)
    }))

  test('swaps only the record that was read, for the leased job of its kind', () =>
    inWorld(async (tx, { ash, birch }) => {
      await addDek(tx, ash, 2)
      const [job] = await claim(tx)
      const id = job?.id ?? ''
      const record = () => tx`select dek_version, ciphertext from flarewatch.credentials where id = ${ash.credentialId}`
      const before = await record()
      expect(await swap(tx, ash.jobId, 1, 2)).toBe(false)
      expect(await swap(tx, birch.jobId, 1, 2)).toBe(false)
      expect(await swap(tx, randomUUID(), 1, 2)).toBe(false)
      expect(await swap(tx, id, 1, 2, AFTER_LEASE)).toBe(false)
      expect(await swap(tx, id, 2, 3)).toBe(false)
      expect(await swap(tx, id, 1, 1)).toBe(false)
      expect((await record()).slice()).toEqual(before.slice())
      expect(await swap(tx, id, 1, 2)).toBe(true)
      expect(await swap(tx, id, 1, 2)).toBe(false)
    }))

  test('refuses a store under way that was given the old version, by name', () =>
    inWorld(async (tx, { ash }) => {
      await addDek(tx, ash, 2)
      const [job] = await claim(tx)
      await swap(tx, job?.id ?? '', 1, 2)
      await destroyed(tx, ash)
      const store = (version: number) => (inner: Tx) =>
        inner`select privileged.store_credential(${inner.json(storeRequest(ash, version))})`
      expect(await refusal(tx, 'service_role', store(1))).toBe('FW008')
      expect(await refusal(tx, 'service_role', store(2))).toBeNull()
      const late = (inner: Tx) => seedCredential(inner, ash.id, randomUUID(), NOW)
      expect(await tx.savepoint(late).catch(({ code }) => code)).toBe(FOREIGN_KEY_VIOLATION)
    }))

  test('goes on beside polls, and leaves a record that failed alone for a while', () =>
    inWorld(async (tx, { ash }) => {
      await addDek(tx, ash, 2)
      // The poll of the same credential is leased all the while.
      const [job] = await claim(tx)
      await tx`update flarewatch.jobs set state = 'failed', run_state = 'failed', reason = 'not_openable', finished_at = ${NOW} where id = ${job?.id ?? ''}`
      expect(await claim(tx, new Date(NOW.getTime() + 60_000))).toEqual([])
      expect(await standing(tx, ash)).toMatchObject({ behind: 1, failing: 1 })
      const later = new Date(NOW.getTime() + 16 * 60_000)
      expect(await standing(tx, ash, later)).toMatchObject({ behind: 1, failing: 0 })
      expect((await claim(tx, later)).filter(({ kind }) => kind === 'reseal')).toHaveLength(1)
    }))

  test('T6: leaves polls their budget of releases', () =>
    inWorld(async (tx, { ash }) => {
      await tx`insert into flarewatch.credentials
        select gen_random_uuid(), tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt, ciphertext, last4, scope,
          grade, state, reason, next_poll_at, last_used_at, last_success_at, created_by, created_at
        from flarewatch.credentials, generate_series(1, 1100) where id = ${ash.credentialId}`
      await addDek(tx, ash, 2)
      expect(await claim(tx, NOW, 2000)).toHaveLength(1000)
      expect(await claim(tx, NOW, 2000)).toEqual([])
      const later = new Date(NOW.getTime() + HOUR)
      await tx`update flarewatch.jobs set state = 'done', finished_at = ${NOW} where state = 'leased'`
      expect(await claim(tx, later, 2000)).toHaveLength(1000)
    }))
})

describe('T4: who may not', () => {
  test('call what is another Worker’s', () =>
    inWorld(async (tx, { ash }) => {
      const add = (inner: Tx) => inner`select flarewatch.add_dek(${ash.id}, 2, 1, ${randomBytes(60)})`
      const destroy = (inner: Tx) => inner`select flarewatch.destroy_old_deks(${ash.id})`
      const reseal = (inner: Tx) =>
        inner`select flarewatch.reseal_credential(1, 2, 1, ${randomBytes(60)}, ${randomBytes(32)}, ${randomBytes(99)})`
      const begin = (inner: Tx) => inner`select flarewatch.begin_tenant_deletion(${ash.id}, 'Ash', ${NOW})`
      const erase = (inner: Tx) => inner`select flarewatch.erase_tenant(${ash.id}, 10, ${NOW})`
      for (const role of [
        'flarewatch_gateway',
        'flarewatch_connector',
        'flarewatch_scheduler',
        'flarewatch_verifier',
        'service_role',
      ] as const) {
        for (const act of [add, destroy, begin, erase])
          expect(await refusal(tx, role, act)).toBe(INSUFFICIENT_PRIVILEGE)
      }
      for (const role of ['flarewatch_gateway', 'flarewatch_vault', 'flarewatch_scheduler', 'service_role'] as const) {
        expect(await refusal(tx, role, reseal)).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }))
})

/** What a function sends that was given keys of a DEK version. */
function storeRequest({ id, owner }: Tenant, dekVersion: number) {
  const text = (length: number) => randomBytes(length).toString('base64url')
  return {
    tenant_id: id,
    user_id: owner,
    credential: {
      id: randomUUID(),
      provider: 'cloudflare',
      label: 'Late',
      kek_version: 1,
      wrapped_dek: text(60),
      dek_version: dekVersion,
      salt: text(32),
      ciphertext: text(99),
      last4: 'wxyz',
      scope: '3 zones',
      grade: 'read_only',
    },
    sites: [],
    idempotency: { key: randomUUID(), function: 'credential-store', request_digest: text(32) },
    at: NOW,
  }
}
