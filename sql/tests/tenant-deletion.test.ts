import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  as,
  asGateway,
  connectAs,
  countVisible,
  INSUFFICIENT_PRIVILEGE,
  refusal,
  rolledBack,
  type Tx,
} from './database.ts'
import { NOW, seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const LATER = new Date(NOW.getTime() + 60_000)

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => act(tx, await seedWorld(tx)))
}

async function begin(tx: Tx, tenantId: string, name: string): Promise<string | null> {
  const [row] = await as(
    tx,
    'flarewatch_vault',
    () => tx`select flarewatch.begin_tenant_deletion(${tenantId}, ${name}, ${NOW}) as state`,
  )
  return row?.state
}

async function erase(tx: Tx, { id }: Tenant, batch = 2): Promise<number> {
  const [row] = await as(
    tx,
    'flarewatch_vault',
    () => tx`select flarewatch.erase_tenant(${id}, ${batch}, ${LATER}) as gone`,
  )
  return row?.gone
}

async function keysLeft(tx: Tx, { id }: Tenant): Promise<number> {
  const [row] = await as(tx, 'flarewatch_verifier', () => tx`select flarewatch.keys_left(${id}) as n`)
  return row?.n
}

const READABLE = [
  'tenants',
  'members',
  'credentials',
  'sites',
  'facts_hourly',
  'facts_daily',
  'facts_top',
  'findings',
  'audit_log',
  'receipts',
  'incidents',
]
const PARTS = [
  'facts_hourly',
  'facts_daily',
  'facts_top',
  'findings',
  'cursors',
  'sites',
  'jobs',
  'credentials',
  'tenant_keys',
  'audit_keys',
  'members',
  'mail_outbox',
]

async function rowsOf(tx: Tx, { id }: Tenant, tables: readonly string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const table of tables) {
    const [row] = await tx`select count(*)::int as n from ${tx(`flarewatch.${table}`)} where tenant_id = ${id}`
    counts[table] = row?.n
  }
  return counts
}

describe('T4: a tenant that is being deleted', () => {
  test('is out of its members’ sight at once, whoever they are', () =>
    inWorld(async (tx, { ash }) => {
      const claims = { sub: ash.owner, aal: 'aal2', tenant_id: ash.id } as const
      const seen = async () => {
        const counts: number[] = []
        for (const table of READABLE) counts.push(await countVisible(tx, table))
        return counts
      }
      const before = await asGateway(tx, claims, seen)
      expect(before.every((count) => count > 0)).toBe(true)
      expect(await begin(tx, ash.id, 'Ash')).toBe('deleting')
      expect(await asGateway(tx, claims, seen)).toEqual(READABLE.map(() => 0))
    }))

  test('is polled no more: its leases are over and no cron finds it', () =>
    inWorld(async (tx, { ash }) => {
      await begin(tx, ash.id, 'Ash')
      const [job] = await tx`select state, run_state, reason from flarewatch.jobs where id = ${ash.jobId}`
      expect(job).toEqual({ state: 'dead', run_state: 'failed', reason: 'tenant_deleted' })
      const claimed = await as(
        tx,
        'flarewatch_scheduler',
        () => tx`select credential_id from flarewatch.claim_due(${LATER}, 60, 100)`,
      )
      expect(claimed.map(({ credential_id }) => credential_id)).not.toContain(ash.credentialId)
    }))

  test('is named by its name, and one that there is not by nothing', () =>
    inWorld(async (tx, { ash }) => {
      expect(await begin(tx, ash.id, 'ash')).toBe('name_mismatch')
      expect(await begin(tx, ash.id, 'Birch')).toBe('name_mismatch')
      expect(await begin(tx, randomUUID(), 'Ash')).toBeNull()
      const [tenant] = await tx`select state, deleting_since from flarewatch.tenants where id = ${ash.id}`
      expect(tenant).toEqual({ state: 'active', deleting_since: null })
    }))

  test('loses its rows in batches, and then nothing but its proof is left; another keeps all', () =>
    inWorld(async (tx, { ash, birch }) => {
      const neighbour = await rowsOf(tx, birch, PARTS)
      expect(await erase(tx, ash)).toBe(0)
      expect(await rowsOf(tx, ash, PARTS)).toMatchObject({ credentials: 1, tenant_keys: 1 })
      await begin(tx, ash.id, 'Ash')
      expect(await keysLeft(tx, ash)).toBe(3)
      for (let calls = 0; (await erase(tx, ash)) > 0; calls += 1) expect(calls).toBeLessThan(30)
      expect(Object.values(await rowsOf(tx, ash, PARTS)).every((count) => count === 0)).toBe(true)
      expect(await keysLeft(tx, ash)).toBe(0)
      expect(await rowsOf(tx, ash, ['audit_log', 'audit_heads', 'incidents'])).toEqual({
        audit_log: 2,
        audit_heads: 1,
        incidents: 1,
      })
      const [tenant] =
        await tx`select name, state, deleting_since, deleted_at from flarewatch.tenants where id = ${ash.id}`
      expect(tenant).toEqual({ name: 'deleted', state: 'deleted', deleting_since: NOW, deleted_at: LATER })
      expect(await rowsOf(tx, birch, PARTS)).toEqual(neighbour)
      expect(await begin(tx, ash.id, 'anything')).toBe('deleted')
      expect(await erase(tx, ash)).toBe(0)
    }))

  test.each(['deleting', 'deleted'])('%s does not come back to life by any function that a user reaches', (state) =>
    inWorld(async (tx, { ash }) => {
      await begin(tx, ash.id, 'Ash')
      if (state === 'deleted') while ((await erase(tx, ash)) > 0);
      const key = { version: 1, kek_version: 1, wrapped_key: randomBytes(60).toString('base64url') }
      const dek = { version: 1, kek_version: 1, wrapped_dek: randomBytes(60).toString('base64url') }
      const named = { tenant_id: ash.id, user_id: ash.owner }
      const again = (inner: Tx) =>
        inner`select privileged.begin_tenant(${inner.json({ ...named, name: 'Ash', audit_key: key })})`
      const activate = (inner: Tx) => inner`select privileged.activate_tenant(${inner.json({ ...named, dek })})`
      const store = (inner: Tx) =>
        inner`select privileged.store_credential(${inner.json({ ...named, sites: [], idempotency: { key: randomUUID(), request_digest: 'AA', function: 'x' } })})`
      expect(await refusal(tx, 'service_role', again)).toBe('FW001')
      expect(await refusal(tx, 'service_role', activate)).toBe('FW002')
      expect(await refusal(tx, 'service_role', store)).toBe('FW002')
      const [tenant] = await tx`select state from flarewatch.tenants where id = ${ash.id}`
      expect(tenant).toEqual({ state })
    }),
  )
})

describe('T4: shredding certificates', () => {
  const certificate = (inner: Tx, tenantId: string) =>
    inner`insert into flarewatch.shreddings (log, note, at) values (${tenantId}, 'note', ${NOW})`

  test('are added by the verifier and read by it and the vault, and changed by nobody', () =>
    inWorld(async (tx, { ash }) => {
      await as(tx, 'flarewatch_verifier', () => certificate(tx, ash.id))
      const [read] = await as(
        tx,
        'flarewatch_vault',
        () => tx`select note from flarewatch.shreddings where log = ${ash.id}`,
      )
      expect(read).toEqual({ note: 'note' })
      for (const role of ['flarewatch_vault', 'flarewatch_verifier'] as const) {
        for (const act of [
          (inner: Tx) => inner`update flarewatch.shreddings set note = 'other'`,
          (inner: Tx) => inner`delete from flarewatch.shreddings`,
        ]) {
          expect(await refusal(tx, role, act)).toBe(INSUFFICIENT_PRIVILEGE)
        }
      }
      expect(await refusal(tx, 'flarewatch_vault', (inner) => certificate(inner, randomUUID()))).toBe(
        INSUFFICIENT_PRIVILEGE,
      )
      expect(await refusal(tx, 'flarewatch_gateway', (inner) => inner`select 1 from flarewatch.shreddings`)).toBe(
        INSUFFICIENT_PRIVILEGE,
      )
    }))
})
