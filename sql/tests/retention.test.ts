import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditRow } from '../../domain/audit/row.ts'
import type { EmbeddedPostgres } from '../../local/postgres/postgres.ts'
import { LOGIN_ROLES } from '../../local/postgres/roles.ts'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'
import { insertRow, rowAfter } from './audit-rows.ts'
import {
  as,
  asGateway,
  type Claims,
  INSUFFICIENT_PRIVILEGE,
  type Role,
  refusal,
  rolledBack,
  type Tx,
} from './database.ts'
import { seedWorld, type World } from './world.ts'

/** A server of its own: what is tried here locks the whole log. */
let server: EmbeddedPostgres
let sql: postgres.Sql<{ bigint: number }>
const types = { bigint: { to: 20, from: [20], serialize: String, parse: Number } }

beforeAll(async () => {
  server = await startThrowawayPostgres()
  sql = postgres(server.superuserUrl, { max: 1, fetch_types: false, onnotice: () => {}, types })
})
afterAll(async () => {
  await sql?.end()
  await server?.stop()
})

const NOW = new Date()
/** The first day of a month, counted from this one. */
const month = (offset: number) => new Date(Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth() + offset, 1))
const day = (offset: number) => month(offset).toISOString().slice(0, 10)
const OLDER = -14
const DUE = -13
const IN_RETENTION = -12

type Log = { readonly id: string; readonly rows: AuditRow[] }

/** A log with two rows in each of the given months. */
async function grow(tx: Tx, months: readonly number[]): Promise<Log> {
  const id = randomUUID()
  await tx`insert into flarewatch.tenants (id, name) values (${id}, 'Ash')`
  const rows: AuditRow[] = []
  for (const offset of months) {
    for (const minute of [1, 2]) {
      rows.push(rowAfter(id, rows.at(-1) ?? null, new Date(month(offset).getTime() + minute * 60_000)))
      await insertRow(tx, rows.at(-1) ?? rowAfter(id, null, NOW))
    }
  }
  return { id, rows }
}

type Claim = { first_seq: number; last_seq: number; last_hash: Uint8Array; at: Date }

/** The certificate that is true of the rows of a month, unless told otherwise. */
async function certify(tx: Tx, { id, rows }: Log, offset: number, changed: Partial<Claim> = {}): Promise<void> {
  const epoch = month(offset).getUTCFullYear() * 100 + month(offset).getUTCMonth() + 1
  const own = rows.filter((row) => row.epoch === epoch)
  const claim = {
    first_seq: own[0]?.seq ?? 1,
    last_seq: own.at(-1)?.seq ?? 1,
    last_hash: own.at(-1)?.hash ?? randomBytes(32),
    at: NOW,
    ...changed,
  }
  await tx`insert into flarewatch.epoch_certificates ${tx({ log: id, epoch, root: randomBytes(32), note: 'note', ...claim })}`
}

function drop(tx: Tx, offset: number, at = NOW, role: Role = 'flarewatch_verifier'): Promise<string | null> {
  return refusal(tx, role, (inner) => inner`select flarewatch.drop_month(${day(offset)}::date, ${at})`)
}

function leafOf(offset: number): string {
  return `audit_log_${day(offset).slice(0, 7).replace('-', '')}`
}

async function stands(tx: Tx, offset: number): Promise<boolean> {
  const [row] = await tx`select to_regclass(${`flarewatch.${leafOf(offset)}`}) is not null as stands`
  return row?.stands === true
}

describe('L3, L5: an epoch leaves the log when its certificates are stored, and not before', () => {
  test('the rows go, the head and the other months stay, and the chain goes on', () =>
    rolledBack(sql, async (tx) => {
      const ash = await grow(tx, [DUE, 0])
      await certify(tx, ash, DUE)
      expect(await drop(tx, DUE)).toBeNull()
      expect(await stands(tx, DUE)).toBe(false)
      const left = await tx`select seq from flarewatch.audit_log where tenant_id = ${ash.id} order by seq`
      expect(left.map(({ seq }) => seq)).toEqual([3, 4])
      const next = rowAfter(ash.id, ash.rows[3] ?? null, new Date(month(0).getTime() + 180_000))
      expect(await refusal(tx, 'flarewatch_ledger', (inner) => insertRow(inner, next))).toBeNull()
    }))

  test('a tenant of whom nothing is left has its head, from which the chain goes on', () =>
    rolledBack(sql, async (tx) => {
      const ash = await grow(tx, [DUE])
      await certify(tx, ash, DUE)
      expect(await drop(tx, DUE)).toBeNull()
      expect(await refusal(tx, 'flarewatch_ledger', (inner) => insertRow(inner, rowAfter(ash.id, null, NOW)))).toBe(
        'FW102',
      )
      const next = rowAfter(ash.id, ash.rows.at(-1) ?? null, NOW)
      expect(await refusal(tx, 'flarewatch_ledger', (inner) => insertRow(inner, next))).toBeNull()
    }))

  test('an epoch without rows needs no certificate, and dropping one twice changes nothing', () =>
    rolledBack(sql, async (tx) => {
      await grow(tx, [0])
      const dropped = await as(tx, 'flarewatch_verifier', async () => [
        (await tx`select flarewatch.drop_month(${day(OLDER)}::date, ${NOW}) as dropped`)[0]?.dropped,
        (await tx`select flarewatch.drop_month(${day(OLDER)}::date, ${NOW}) as dropped`)[0]?.dropped,
      ])
      expect(dropped).toEqual([true, false])
    }))

  test('one tenant without a certificate holds the month for all (FW132)', () =>
    rolledBack(sql, async (tx) => {
      const [ash] = [await grow(tx, [DUE]), await grow(tx, [DUE])]
      await certify(tx, ash, DUE)
      expect(await drop(tx, DUE)).toBe('FW132')
      expect(await stands(tx, DUE)).toBe(true)
    }))

  const lies: readonly [string, Partial<Claim>][] = [
    ['another first row', { first_seq: 2 }],
    ['another last row', { last_seq: 3 }],
    ['another last hash', { last_hash: randomBytes(32) }],
    ['a signing before the epoch was due', { at: new Date(month(0).getTime() - 1) }],
  ]
  test.each(lies)('a certificate that speaks of %s is none (FW133)', (_, changed) =>
    rolledBack(sql, async (tx) => {
      const ash = await grow(tx, [DUE, 0])
      await certify(tx, ash, DUE, changed)
      expect(await drop(tx, DUE)).toBe('FW133')
      expect(await stands(tx, DUE)).toBe(true)
    }),
  )

  test('rows that are gone although certified hold it (FW133)', () =>
    rolledBack(sql, async (tx) => {
      const ash = await grow(tx, [DUE])
      await certify(tx, ash, DUE)
      await tx`alter table flarewatch.audit_log disable trigger user`
      await tx`alter table ${tx(`flarewatch.${leafOf(DUE)}`)} disable trigger user`
      await tx`delete from flarewatch.audit_log where tenant_id = ${ash.id}`
      expect(await drop(tx, DUE)).toBe('FW133')
    }))

  test('a certificate that does not follow on the one before is none (FW133)', () =>
    rolledBack(sql, async (tx) => {
      const ash = await grow(tx, [OLDER, DUE])
      await certify(tx, ash, OLDER)
      expect(await drop(tx, OLDER)).toBeNull()
      // As if the chain had begun with this epoch: that two rows were in front is what the certificate before says.
      await certify(tx, { ...ash, rows: ash.rows.slice(2) }, DUE, { first_seq: 1 })
      expect(await drop(tx, DUE)).toBe('FW133')
    }))

  test('months go oldest first (FW131)', () =>
    rolledBack(sql, async (tx) => {
      const ash = await grow(tx, [OLDER, DUE])
      for (const offset of [OLDER, DUE]) await certify(tx, ash, offset)
      expect(await drop(tx, DUE)).toBe('FW131')
      expect([await drop(tx, OLDER), await drop(tx, DUE)]).toEqual([null, null])
    }))

  test('a month that was closed is not opened again', () =>
    rolledBack(sql, async (tx) => {
      const ash = await grow(tx, [DUE, 0])
      await certify(tx, ash, DUE)
      await drop(tx, DUE)
      for (const offset of [DUE, OLDER - 20]) {
        await as(tx, 'flarewatch_verifier', () => tx`select flarewatch.open_month(${day(offset)}::date)`)
        expect(await stands(tx, offset)).toBe(false)
      }
    }))

  test('no month out of reason (FW120)', () =>
    rolledBack(sql, async (tx) => {
      for (const named of ['1999-01-01', '2300-01-01', null]) {
        const call = (inner: Tx) => inner`select flarewatch.drop_month(${named}::date, ${NOW})`
        expect(await refusal(tx, 'flarewatch_verifier', call)).toBe('FW120')
      }
    }))
})

describe('L5: nothing younger than a year goes', () => {
  test('by the time that is given (FW130)', () =>
    rolledBack(sql, async (tx) => {
      const ash = await grow(tx, [IN_RETENTION, 0])
      await certify(tx, ash, IN_RETENTION)
      expect(await drop(tx, IN_RETENTION)).toBe('FW130')
      expect(await drop(tx, DUE, new Date(month(0).getTime() - 1))).toBe('FW130')
    }))

  test('nor by a time from the future, but in the embedded stack, whose clock is an argument', () =>
    rolledBack(sql, async (tx) => {
      const ash = await grow(tx, [0])
      const future = month(14)
      await certify(tx, ash, 0, { at: future })
      await tx`alter schema embedded_bootstrap rename to hosted`
      expect(await drop(tx, 0, future)).toBe('FW130')
      await tx`alter schema hosted rename to embedded_bootstrap`
      expect(await drop(tx, 0, future)).toBeNull()
    }))
})

describe('L3: who may let an epoch go', () => {
  test.each([...LOGIN_ROLES, 'anon', 'authenticated', 'service_role'] as const)('%s', (role) =>
    rolledBack(sql, async (tx) => {
      await grow(tx, [0])
      const allowed = ['flarewatch_verifier', 'postgres', 'supabase_admin'].includes(role)
      expect(await drop(tx, OLDER, NOW, role)).toBe(allowed ? null : INSUFFICIENT_PRIVILEGE)
    }),
  )

  test('nobody but the owner drops or detaches a leaf, or steps round the checks', () =>
    rolledBack(sql, async (tx) => {
      await grow(tx, [DUE])
      const leaf = leafOf(DUE)
      const acts = [
        `drop table flarewatch.${leaf}`,
        `alter table flarewatch.audit_log detach partition flarewatch.${leaf}`,
        `truncate flarewatch.${leaf}`,
        'select flarewatch.certificate_objection(null, null)',
      ]
      for (const role of LOGIN_ROLES.filter((name) => name.startsWith('flarewatch_'))) {
        for (const act of acts) {
          expect(await refusal(tx, role, (inner) => inner.unsafe(act)), `${role}: ${act}`).toBe(INSUFFICIENT_PRIVILEGE)
        }
      }
      expect(await refusal(tx, 'postgres', (inner) => inner.unsafe(`truncate flarewatch.${leaf}`))).toBe('FW110')
    }))

  test('a certificate is written once: no role changes or removes it, the first of two stays', () =>
    rolledBack(sql, async (tx) => {
      const ash = await grow(tx, [DUE])
      await certify(tx, ash, DUE)
      const changes = [
        'update flarewatch.epoch_certificates set note = note',
        'delete from flarewatch.epoch_certificates',
        'truncate flarewatch.epoch_certificates',
      ]
      for (const change of changes) {
        for (const role of LOGIN_ROLES) {
          const code = await refusal(tx, role, (inner) => inner.unsafe(change))
          expect(code, `${role}: ${change}`).toBe(
            role === 'postgres' || role === 'supabase_admin' ? 'FW111' : INSUFFICIENT_PRIVILEGE,
          )
        }
      }
      const again = (inner: Tx) => certify(inner, ash, DUE, { last_seq: 99 })
      expect(await refusal(tx, 'flarewatch_verifier', again)).toBe('23505')
    }))
})

describe('T4: who sees which certificates', () => {
  const claimsOf = (user: string, tenant: string): Claims => ({ sub: user, aal: 'aal1', tenant_id: tenant })
  const inWorld = (act: (tx: Tx, world: World) => Promise<void>) =>
    rolledBack(sql, async (tx) => {
      const world = await seedWorld(tx)
      for (const { id } of [world.ash, world.birch]) await certify(tx, { id, rows: [] }, DUE)
      await act(tx, world)
    })
  const seen = (tx: Tx, claims: Claims | null) =>
    asGateway(tx, claims, async () => (await tx`select log from flarewatch.epoch_certificates`).map(({ log }) => log))

  test('owner and member see those of their tenant; an outsider, another tenant’s and whoever has no TOTP see none', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      for (const user of [ash.owner, ash.viewer]) expect(await seen(tx, claimsOf(user, ash.id))).toEqual([ash.id])
      for (const user of [outsider, birch.owner, ash.unenrolled])
        expect(await seen(tx, claimsOf(user, ash.id))).toEqual([])
      expect(await seen(tx, null)).toEqual([])
    }))

  test('the ledger sees where a pruned chain ends and no note; everyone else sees nothing, and nobody else adds one', () =>
    inWorld(async (tx, { ash }) => {
      const ends = (inner: Tx) => inner`select log, last_seq, last_hash from flarewatch.epoch_certificates`
      const note = (inner: Tx) => inner`select note from flarewatch.epoch_certificates`
      expect(await refusal(tx, 'flarewatch_ledger', ends)).toBeNull()
      expect(await refusal(tx, 'flarewatch_ledger', note)).toBe(INSUFFICIENT_PRIVILEGE)
      const blind = [
        'flarewatch_scheduler',
        'flarewatch_connector',
        'flarewatch_vault',
        'anon',
        'authenticated',
      ] as const
      for (const role of blind) expect(await refusal(tx, role, ends), role).toBe(INSUFFICIENT_PRIVILEGE)
      for (const role of [...blind, 'flarewatch_gateway', 'flarewatch_ledger'] as const) {
        const add = (inner: Tx) => certify(inner, { id: ash.id, rows: [] }, OLDER)
        expect(await refusal(tx, role, add), role).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }))
})
