import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { genesisHash } from '../../domain/audit/row.ts'
import { WORKER_ROLES } from '../../local/postgres/roles.ts'
import { insertRow, rowAfter } from './audit-rows.ts'
import { as, connectAs, INSUFFICIENT_PRIVILEGE, type Role, refusal, rolledBack, type Tx } from './database.ts'
import { NOW, seedWorld, type Tenant } from './world.ts'

const sql = connectAs('supabase_admin')
const APPEND_ONLY = 'FW110'
const LATER = new Date(NOW.getTime() + 1500)

async function headOf(tx: Tx, tenantId: string): Promise<{ seq: number; hash: Uint8Array }> {
  const [head] = await tx<{ seq: number; hash: Uint8Array }[]>`
    select seq, hash from flarewatch.audit_heads where tenant_id = ${tenantId}`
  if (head === undefined) throw new Error('the tenant has no head')
  return head
}

async function leaves(tx: Tx): Promise<string[]> {
  const rows = await tx<{ name: string }[]>`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'flarewatch.audit_log'::regclass order by 1`
  return rows.map(({ name }) => name)
}

/** Runs `act` with a world in place and Ash's chain two rows long. */
function inWorld(act: (tx: Tx, ash: Tenant, birch: Tenant) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => {
    const { ash, birch } = await seedWorld(tx)
    await act(tx, ash, birch)
  })
}

describe('L2: the chain grows at its end and nowhere else', () => {
  test('the ledger adds a row through the parent with INSERT alone', () =>
    inWorld(async (tx, ash) => {
      const row = rowAfter(ash.id, await headOf(tx, ash.id), LATER)
      expect(await as(tx, 'flarewatch_ledger', () => insertRow(tx, row))).toBe(1)
      expect(await headOf(tx, ash.id)).toEqual({ seq: 3, hash: Buffer.from(row.hash) })
    }))

  test('a tenant begins at its own genesis hash', () =>
    inWorld(async (tx, ash) => {
      const id = randomUUID()
      await tx`insert into flarewatch.tenants (id, name) values (${id}, 'Cedar')`
      const stolen = rowAfter(id, null, NOW, { previousHash: genesisHash(ash.id) })
      expect(await refusal(tx, 'flarewatch_ledger', (inner) => insertRow(inner, stolen))).toBe('FW103')
      expect(await refusal(tx, 'flarewatch_ledger', (inner) => insertRow(inner, rowAfter(id, null, NOW)))).toBeNull()
    }))

  test('an identical row again is skipped without an error', () =>
    inWorld(async (tx, ash) => {
      const row = rowAfter(ash.id, await headOf(tx, ash.id), LATER)
      await insertRow(tx, row)
      expect(await as(tx, 'flarewatch_ledger', () => insertRow(tx, row))).toBe(0)
      expect((await headOf(tx, ash.id)).seq).toBe(3)
    }))

  test('a batch that begins with stored rows adds only the new ones', () =>
    inWorld(async (tx, ash) => {
      const third = rowAfter(ash.id, await headOf(tx, ash.id), LATER)
      const fourth = rowAfter(ash.id, third, LATER)
      await insertRow(tx, third)
      for (const row of [third, fourth]) await as(tx, 'flarewatch_ledger', () => insertRow(tx, row))
      expect((await headOf(tx, ash.id)).seq).toBe(4)
    }))

  test('the trigger hashes a row and tells its epoch as the functions do that stand for it elsewhere', () =>
    inWorld(async (tx, ash) => {
      let previous = await headOf(tx, ash.id)
      for (const sealedBytes of [285, 286, 4_000, 65_536]) {
        const at = new Date(LATER.getTime() + sealedBytes)
        const row = rowAfter(ash.id, previous, at, { sealed: randomBytes(sealedBytes), keyVersion: sealedBytes })
        expect(await as(tx, 'flarewatch_ledger', () => insertRow(tx, row))).toBe(1)
        previous = { seq: row.seq, hash: row.hash }
      }
      const judged = await tx`
        select count(*)::int as rows,
          bool_and(r.hash = flarewatch.audit_row_hash(r)) as hashes, bool_and(r.epoch = flarewatch.audit_epoch(r.at)) as epochs
        from flarewatch.audit_log as r where r.tenant_id = ${ash.id}`
      expect(judged[0]).toEqual({ rows: 6, hashes: true, epochs: true })
    }))

  const lies: [string, string, Parameters<typeof rowAfter>[3]][] = [
    ['a gap', 'FW101', { seq: 4 }],
    ['another row at a place that is taken', 'FW102', { seq: 2 }],
    ['a wrong previous hash', 'FW103', { previousHash: randomBytes(32) }],
    ['an epoch that its time does not have', 'FW104', { epoch: nextEpoch(NOW) }],
    ['a time before the row in front', 'FW105', { at: NOW.getTime() - 1 }],
    ['a hash that its fields do not have', 'FW107', { hash: randomBytes(32) }],
  ]
  for (const [lie, sqlState, changed] of lies) {
    test(`refuses ${lie} with ${sqlState}`, () =>
      inWorld(async (tx, ash) => {
        const row = rowAfter(ash.id, await headOf(tx, ash.id), LATER, changed)
        for (const role of ['flarewatch_ledger', 'postgres', 'supabase_admin'] as const) {
          expect(await refusal(tx, role, (inner) => insertRow(inner, row))).toBe(sqlState)
        }
        expect((await headOf(tx, ash.id)).seq).toBe(2)
      }))
  }

  test('refuses a time finer than the milliseconds that the hash covers with FW106', () =>
    inWorld(async (tx, ash) => {
      const row = rowAfter(ash.id, await headOf(tx, ash.id), LATER)
      const insertFiner = (inner: Tx) => inner`
        insert into flarewatch.audit_log (tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag,
          target_tag, sealed, hash)
        values (${row.tenantId}, ${row.epoch}, ${row.seq}, ${row.rowId},
          ${new Date(row.at)}::timestamptz + interval '1 microsecond', 1, ${row.previousHash}, ${row.actorTag},
          ${row.actionTag}, ${row.targetTag}, ${row.sealed}, ${row.hash})`
      expect(await refusal(tx, 'flarewatch_ledger', insertFiner)).toBe('FW106')
    }))

  test('refuses a row with any one field changed under the old hash', () =>
    inWorld(async (tx, ash, birch) => {
      const honest = rowAfter(ash.id, await headOf(tx, ash.id), LATER)
      const { hash } = honest
      const edits: Parameters<typeof rowAfter>[3][] = [
        { tenantId: birch.id, previousHash: (await headOf(tx, birch.id)).hash },
        { rowId: randomUUID() },
        { at: honest.at + 1 },
        { keyVersion: 2 },
        { actorTag: randomBytes(32) },
        { actionTag: randomBytes(32) },
        { targetTag: randomBytes(32) },
        { sealed: randomBytes(honest.sealed.length) },
      ]
      for (const edit of edits) {
        const edited = { ...honest, ...edit, hash }
        expect(
          await refusal(tx, 'flarewatch_ledger', (inner) => insertRow(inner, edited)),
          Object.keys(edit ?? {})[0],
        ).toBe('FW107')
      }
      expect(await refusal(tx, 'flarewatch_ledger', (inner) => insertRow(inner, honest))).toBeNull()
    }))

  test('T4: rows of two tenants never touch each other’s heads', () =>
    inWorld(async (tx, ash, birch) => {
      const before = await headOf(tx, birch.id)
      await insertRow(tx, rowAfter(ash.id, await headOf(tx, ash.id), LATER))
      expect(await headOf(tx, birch.id)).toEqual(before)
    }))
})

describe('L3, T3: no role may UPDATE, DELETE or TRUNCATE the audit log', () => {
  const owners: Role[] = ['postgres', 'supabase_admin']
  const others: Role[] = [...WORKER_ROLES, 'anon', 'authenticated', 'service_role', 'authenticator']
  const changes: [string, (tx: Tx, table: string) => Promise<unknown>][] = [
    ['UPDATE', (tx, table) => tx`update ${tx(`flarewatch.${table}`)} set sealed = sealed`],
    ['DELETE', (tx, table) => tx`delete from ${tx(`flarewatch.${table}`)}`],
    ['TRUNCATE', (tx, table) => tx`truncate ${tx(`flarewatch.${table}`)}`],
    [
      'ON CONFLICT DO UPDATE',
      (tx, table) => tx`insert into ${tx(`flarewatch.${table}`)} select * from flarewatch.audit_log
        on conflict (tenant_id, epoch, seq) do update set hash = excluded.hash`,
    ],
  ]
  for (const [verb, change] of changes) {
    test(`${verb} is refused for the owner and the superuser, on the parent and on every leaf`, () =>
      inWorld(async (tx) => {
        const tables = ['audit_log', ...(await leaves(tx))]
        expect(tables.length).toBeGreaterThan(20)
        for (const table of tables) {
          for (const role of owners)
            expect(await refusal(tx, role, (inner) => change(inner, table)), table).toBe(APPEND_ONLY)
        }
      }))

    test(`${verb} is not granted to anyone else, on the parent or on any leaf`, () =>
      inWorld(async (tx) => {
        const tables = ['audit_log', ...(await leaves(tx)).slice(-3)]
        for (const role of others) {
          for (const table of tables) {
            expect(await refusal(tx, role, (inner) => change(inner, table)), `${role} ${table}`).toBe(
              INSUFFICIENT_PRIVILEGE,
            )
          }
        }
      }))
  }

  test('the triggers also fire in a session that calls itself a replica', () =>
    inWorld(async (tx, ash) => {
      await tx`set local session_replication_role = replica`
      const forged = rowAfter(ash.id, await headOf(tx, ash.id), LATER, { previousHash: randomBytes(32) })
      expect(await refusal(tx, 'supabase_admin', (inner) => insertRow(inner, forged))).toBe('FW103')
      expect(await refusal(tx, 'supabase_admin', (inner) => inner`delete from flarewatch.audit_log`)).toBe(APPEND_ONLY)
    }))

  test('a leaf takes no row that the parent would refuse, and none from the ledger directly', () =>
    inWorld(async (tx, ash) => {
      const honest = rowAfter(ash.id, await headOf(tx, ash.id), LATER)
      const leaf = `audit_log_${honest.epoch}`
      const forged = { ...honest, hash: randomBytes(32) }
      expect(await refusal(tx, 'postgres', (inner) => insertRow(inner, forged, leaf))).toBe('FW107')
      expect(await refusal(tx, 'flarewatch_ledger', (inner) => insertRow(inner, honest, leaf))).toBe(
        INSUFFICIENT_PRIVILEGE,
      )
    }))

  test('every leaf has FORCE RLS, the triggers and no grants, also one opened today', () =>
    inWorld(async (tx) => {
      await as(tx, 'flarewatch_verifier', () => tx`select flarewatch.open_month('2031-05-17')`)
      const rows = await tx`
        select c.relname, c.relrowsecurity and c.relforcerowsecurity as forced, c.relacl::text as grants,
          (select array_agg(t.tgname || ' ' || t.tgenabled::text order by t.tgname) from pg_trigger t
            where t.tgrelid = c.oid and not (t.tgisinternal and t.tgname like 'RI%'))::text as triggers
        from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'flarewatch.audit_log'::regclass`
      expect(rows.map(({ relname }) => relname)).toContain('audit_log_203105')
      for (const { relname, forced, grants, triggers } of rows) {
        expect({ forced, triggers }, relname).toEqual({
          forced: true,
          triggers: '{"extend_chain A","refuse_change A"}',
        })
        expect(grants ?? 'postgres', relname).not.toMatch(/flarewatch_|anon|authenticated|service_role|\{=|,=/)
      }
    }))
})

describe('T3: who reads what of the log', () => {
  test('the verifier reads every hashed column of every tenant, and every head', () =>
    inWorld(async (tx, ash, birch) => {
      const rows = await as(
        tx,
        'flarewatch_verifier',
        () => tx`
        select tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash
        from flarewatch.audit_log where tenant_id in (${ash.id}, ${birch.id})`,
      )
      expect(rows).toHaveLength(4)
      expect(rows.every(({ sealed }) => sealed instanceof Uint8Array)).toBe(true)
      const heads = await as(
        tx,
        'flarewatch_verifier',
        () => tx`
        select seq from flarewatch.audit_heads where tenant_id in (${ash.id}, ${birch.id})`,
      )
      expect(heads.map(({ seq }) => seq)).toEqual([2, 2])
    }))

  test('the ledger reads where a chain ends and no sealed byte', () =>
    inWorld(async (tx, ash) => {
      const [row] = await as(
        tx,
        'flarewatch_ledger',
        () => tx`
        select seq, hash from flarewatch.audit_log where tenant_id = ${ash.id} order by epoch desc, seq desc limit 1`,
      )
      expect(row?.seq).toBe(2)
      expect(await refusal(tx, 'flarewatch_ledger', (inner) => inner`select sealed from flarewatch.audit_log`)).toBe(
        INSUFFICIENT_PRIVILEGE,
      )
      expect(await refusal(tx, 'flarewatch_ledger', (inner) => inner`select * from flarewatch.audit_heads`)).toBe(
        INSUFFICIENT_PRIVILEGE,
      )
    }))
})

function nextEpoch(at: Date): number {
  const next = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1))
  return next.getUTCFullYear() * 100 + next.getUTCMonth() + 1
}
