import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { as, CHECK_VIOLATION, connectAs, INSUFFICIENT_PRIVILEGE, refusal, rolledBack, type Tx } from './database.ts'
import { NOW, seedWorld, type World } from './world.ts'

const sql = connectAs('supabase_admin')

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => act(tx, await seedWorld(tx)))
}

type Statement = readonly [name: string, act: (tx: Tx, world: World) => Promise<unknown>]

function refuses(
  role: 'flarewatch_vault' | 'flarewatch_ledger' | 'flarewatch_verifier',
  statements: readonly Statement[],
): void {
  for (const [name, act] of statements) {
    test(`${role} is refused ${name}`, () =>
      inWorld(async (tx, world) => {
        expect(await refusal(tx, role, (inner) => act(inner, world))).toBe(INSUFFICIENT_PRIVILEGE)
      }))
  }
}

describe('V2: the vault reads wraps and never what they open', () => {
  test('wraps, salts, roles, leased jobs and sealed rows of every tenant', () =>
    inWorld(async (tx, { ash, birch }) => {
      const ids = [ash.id, birch.id]
      await as(tx, 'flarewatch_vault', async () => {
        const wraps = await tx`
          select c.kek_version, c.wrapped_dek, c.dek_version, c.salt, k.wrapped_dek as dek, a.wrapped_key, t.state
          from flarewatch.credentials c
          join flarewatch.tenants t on t.id = c.tenant_id
          join flarewatch.tenant_keys k on k.tenant_id = c.tenant_id and k.version = c.dek_version
          join flarewatch.audit_keys a on a.tenant_id = c.tenant_id
          where c.tenant_id in ${tx(ids)}`
        expect(wraps).toHaveLength(2)
        const roles =
          await tx`select role from flarewatch.members where tenant_id = ${ash.id} and user_id = ${ash.owner}`
        expect(roles[0]).toEqual({ role: 'owner' })
        const rows = await tx`select sealed from flarewatch.audit_log where tenant_id = ${ash.id}`
        expect(rows).toHaveLength(2)
      })
    }))

  test('it notes the intent row of a leased job and no other', () =>
    inWorld(async (tx, { ash, birch }) => {
      await tx`update flarewatch.jobs set state = 'done', finished_at = ${NOW} where id = ${birch.jobId}`
      await as(tx, 'flarewatch_vault', async () => {
        for (const [job, noted] of [
          [ash.jobId, 1],
          [birch.jobId, 0],
        ] as const) {
          const result = await tx`update flarewatch.jobs set intent_row = ${randomUUID()} where id = ${job}`
          expect(result.count).toBe(noted)
        }
      })
    }))

  test('V2: it records the check value of a new KEK version once, and can never replace it', () =>
    inWorld(async (tx) => {
      const record = (value: Uint8Array) => (inner: Tx) =>
        inner`
        insert into flarewatch.kek_checks (kek_version, check_value, first_seen_at) values (7, ${value}, now()) on conflict do nothing`
      const first = randomBytes(32)
      expect(await refusal(tx, 'flarewatch_vault', record(first))).toBeNull()
      expect(await refusal(tx, 'flarewatch_vault', record(randomBytes(32)))).toBeNull()
      const [kept] = await as(
        tx,
        'flarewatch_vault',
        () => tx`select check_value from flarewatch.kek_checks where kek_version = 7`,
      )
      expect(kept?.check_value).toEqual(first)
      expect(await refusal(tx, 'flarewatch_vault', record(randomBytes(31)))).toBe(CHECK_VIOLATION)
    }))

  test('V4: it moves wraps to a KEK version that has a check value, and finds which versions are in use', () =>
    inWorld(async (tx, { ash }) => {
      await tx`insert into flarewatch.kek_checks (kek_version, check_value) values (78, ${randomBytes(32)})`
      await as(tx, 'flarewatch_vault', async () => {
        for (const [table, id] of [
          ['tenant_keys', 'tenant_id'],
          ['audit_keys', 'tenant_id'],
          ['credentials', 'tenant_id'],
        ] as const) {
          const moved = await tx`update ${tx(`flarewatch.${table}`)} set kek_version = 78 where ${tx(id)} = ${ash.id}`
          expect([table, moved.count]).toEqual([table, 1])
        }
        const used = await tx<
          { version: number }[]
        >`select version from flarewatch.used_kek_versions() as version order by 1`
        expect(used.map(({ version }) => version)).toEqual([1, 78])
      })
    }))

  test('V4: of two that re-wrap one tenant, one has the lease, until it runs out', () =>
    inWorld(async (tx, { ash }) => {
      const claim = (at: Date) => tx`
        insert into flarewatch.rewrap_leases as held (tenant_id, lease, lease_until)
        values (${ash.id}, ${randomUUID()}, ${new Date(at.getTime() + 60_000)})
        on conflict (tenant_id) do update set lease = excluded.lease, lease_until = excluded.lease_until
        where held.lease_until <= ${at} returning lease`
      await as(tx, 'flarewatch_vault', async () => {
        expect(await claim(NOW)).toHaveLength(1)
        expect(await claim(NOW)).toHaveLength(0)
        expect(await claim(new Date(NOW.getTime() + 60_000))).toHaveLength(1)
      })
    }))

  refuses('flarewatch_vault', [
    ['the ciphertext', (tx) => tx`select ciphertext from flarewatch.credentials`],
    ['the last four characters', (tx) => tx`select last4 from flarewatch.credentials`],
    ['facts', (tx) => tx`select 1 from flarewatch.facts_hourly`],
    ['a site', (tx) => tx`select 1 from flarewatch.sites`],
    ['a tenant’s name', (tx) => tx`select name from flarewatch.tenants`],
    ['ending a job', (tx) => tx`update flarewatch.jobs set state = 'done'`],
    [
      'moving a job to another credential',
      (tx, { birch }) => tx`update flarewatch.jobs set credential_id = ${birch.credentialId}`,
    ],
    [
      'wrapping a DEK under a KEK version that nobody has seen',
      (tx) => tx`update flarewatch.tenant_keys set kek_version = 77`,
    ],
    [
      'wrapping an audit key under a KEK version that nobody has seen',
      (tx) => tx`update flarewatch.audit_keys set kek_version = 77`,
    ],
    [
      "wrapping a credential's DEK under a KEK version that nobody has seen",
      (tx) => tx`update flarewatch.credentials set kek_version = 77`,
    ],
    ['moving a wrap to another tenant', (tx, { ash }) => tx`update flarewatch.tenant_keys set tenant_id = ${ash.id}`],
    ['replacing a ciphertext', (tx) => tx`update flarewatch.credentials set ciphertext = salt`],
    ['replacing a salt', (tx) => tx`update flarewatch.credentials set salt = salt`],
    ['removing a wrap', (tx) => tx`delete from flarewatch.tenant_keys`],
    ['forgetting who re-wraps', (tx) => tx`delete from flarewatch.rewrap_leases`],
    ['replacing a check value', (tx) => tx`update flarewatch.kek_checks set check_value = check_value`],
    [
      'making a member',
      (tx, { ash, outsider }) => tx`insert into flarewatch.members values (${ash.id}, ${outsider}, 'owner')`,
    ],
    ['an audit row', (tx) => tx`insert into flarewatch.audit_log (seq) values (1)`],
  ])
})

describe('L1: the ledger adds rows and incidents', () => {
  test('an incident in its own name', () =>
    inWorld(async (tx, { ash }) => {
      const raise = (inner: Tx) => inner`insert into flarewatch.incidents (id, tenant_id, kind, seq, part, detail, at)
        values (${randomUUID()}, ${ash.id}, 'audit_feed_refused', 3, 'durable-objects', '{}', ${NOW})`
      expect(await refusal(tx, 'flarewatch_ledger', raise)).toBeNull()
    }))

  refuses('flarewatch_ledger', [
    ['who did what', (tx) => tx`select actor_tag from flarewatch.audit_log`],
    ['a tenant', (tx) => tx`select 1 from flarewatch.tenants`],
    ['a wrap', (tx) => tx`select 1 from flarewatch.audit_keys`],
    ['a credential', (tx) => tx`select id from flarewatch.credentials`],
    ['moving a head', (tx) => tx`update flarewatch.audit_heads set seq = 1`],
    ['opening a month', (tx) => tx`select flarewatch.open_month('2031-01-01')`],
  ])
})

describe('L4: the verifier reads what is hashed and signs', () => {
  test('a receipt, once for each size', () =>
    inWorld(async (tx, { ash }) => {
      const store = (note: string) => (inner: Tx) =>
        inner`
        insert into flarewatch.receipts (log, size, root, chain_head, note, at)
        values (${ash.id}, 9, ${randomBytes(32)}, ${randomBytes(32)}, ${note}, ${NOW}) on conflict do nothing`
      expect(await refusal(tx, 'flarewatch_verifier', store('first'))).toBeNull()
      expect(await refusal(tx, 'flarewatch_verifier', store('second'))).toBeNull()
      const kept = await as(
        tx,
        'flarewatch_verifier',
        () => tx`select note from flarewatch.receipts where log = ${ash.id} and size = 9`,
      )
      expect(kept.slice()).toEqual([{ note: 'first' }])
    }))

  test('a night, once, and that it was sound only as it was recorded', () =>
    inWorld(async (tx, { ash }) => {
      const due = new Date(NOW.getTime() + 1000)
      const record = (sound: boolean) => (inner: Tx) =>
        inner`
        insert into flarewatch.verification_runs (log, due_at, started_at, finished_at, size, sound)
        values (${ash.id}, ${due}, ${due}, ${due}, 2, ${sound}) on conflict do nothing`
      expect(await refusal(tx, 'flarewatch_verifier', record(false))).toBeNull()
      expect(await refusal(tx, 'flarewatch_verifier', record(true))).toBeNull()
      const kept = await tx`select sound from flarewatch.verification_runs where log = ${ash.id} and due_at = ${due}`
      expect(kept.slice()).toEqual([{ sound: false }])
    }))

  test('when a tenant’s keys were used last, and nothing else of a credential', () =>
    inWorld(async (tx, { ash }) => {
      const used = await as(
        tx,
        'flarewatch_verifier',
        () =>
          tx`select tenant_id, max(last_used_at) as at from flarewatch.credentials where tenant_id = ${ash.id} group by 1`,
      )
      expect(used).toHaveLength(1)
    }))

  test('which tenants there are, and whether they are active', () =>
    inWorld(async (tx, { ash, birch }) => {
      const seen = await as(
        tx,
        'flarewatch_verifier',
        () => tx`select id, state from flarewatch.tenants where id in (${ash.id}, ${birch.id})`,
      )
      expect(seen).toHaveLength(2)
    }))

  test('an incident about a tenant that is gone from Postgres', () =>
    inWorld(async (tx) => {
      const raise = (inner: Tx) => inner`insert into flarewatch.incidents (id, tenant_id, kind, seq, part, detail, at)
        values (${randomUUID()}, ${randomUUID()}, 'tenant_missing', null, 'verifier', '{}', ${NOW}) on conflict do nothing`
      expect(await refusal(tx, 'flarewatch_verifier', raise)).toBeNull()
    }))

  test('the next month, as often as it likes, and none out of reason', () =>
    inWorld(async (tx) => {
      const open = (day: string | null) => (inner: Tx) => inner`select flarewatch.open_month(${day}::date)`
      for (const day of ['2032-02-01', '2032-02-29'])
        expect(await refusal(tx, 'flarewatch_verifier', open(day))).toBeNull()
      for (const day of ['1999-01-01', '2300-01-01', null])
        expect(await refusal(tx, 'flarewatch_verifier', open(day))).toBe('FW120')
    }))

  refuses('flarewatch_verifier', [
    ['a tenant’s name', (tx) => tx`select name from flarewatch.tenants`],
    ['a member', (tx) => tx`select 1 from flarewatch.members`],
    ['a credential', (tx) => tx`select id from flarewatch.credentials`],
    ['a wrap', (tx) => tx`select 1 from flarewatch.audit_keys`],
    ['facts', (tx) => tx`select 1 from flarewatch.facts_daily`],
    ['its own nights', (tx) => tx`select 1 from flarewatch.verification_runs`],
    ['changing a night', (tx) => tx`update flarewatch.verification_runs set sound = true`],
    ['changing a receipt', (tx) => tx`update flarewatch.receipts set note = ''`],
    ['deleting a receipt', (tx) => tx`delete from flarewatch.receipts`],
    ['adding an audit row', (tx) => tx`insert into flarewatch.audit_log (seq) values (1)`],
    ['moving a head', (tx) => tx`update flarewatch.audit_heads set seq = 1`],
    ['a leaf’s own protection', (tx) => tx`select flarewatch.close_leaf('receipts')`],
  ])
})
