import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { AuditRow } from '../../domain/audit/row.ts'
import { WORKER_ROLES } from '../../local/postgres/roles.ts'
import { chainOf, insertRow, rowAfter } from './audit-rows.ts'
import { as, connectAs, INSUFFICIENT_PRIVILEGE, refusal, rolledBack, type Tx } from './database.ts'
import { NOW } from './world.ts'

const sql = connectAs('supabase_admin')

/** A chain of six, of which rows are then lost, and a seventh that is the operator's act. */
function afterLosing(
  lost: readonly number[],
  test: (tx: Tx, rows: readonly AuditRow[], act: AuditRow) => Promise<void>,
): Promise<void> {
  return rolledBack(sql, async (tx) => {
    const id = randomUUID()
    await tx`insert into flarewatch.tenants (id, name) values (${id}, 'Ash')`
    const rows = chainOf(id, NOW, 6)
    for (const row of rows) await insertRow(tx, row)
    for (const seq of lost)
      await unseen(tx, tx`delete from flarewatch.audit_log where tenant_id = ${id} and seq = ${seq}`)
    const act = rowAfter(id, rows.at(-1) ?? null, NOW)
    await insertRow(tx, act)
    await test(tx, rows, act)
  })
}

/** What a superuser does who switches the guards off. */
async function unseen(tx: Tx, statement: PromiseLike<unknown>): Promise<void> {
  const table = `flarewatch.audit_log_${chainOf(randomUUID(), NOW, 1)[0]?.epoch}`
  await tx`alter table ${tx(table)} disable trigger refuse_change`
  await tx`alter table flarewatch.audit_log disable trigger refuse_change`
  await statement
  await tx`alter table flarewatch.audit_log enable always trigger refuse_change`
  await tx`alter table ${tx(table)} enable always trigger refuse_change`
}

async function refeed(tx: Tx, act: Pick<AuditRow, 'seq' | 'rowId'>, row: AuditRow): Promise<boolean> {
  const [answer] = await tx<
    { fed: boolean }[]
  >`select flarewatch.refeed_audit_row(${act.seq}, ${act.rowId}, ${row.tenantId},
    ${row.epoch}, ${row.seq}, ${row.rowId}, ${new Date(row.at)}, ${row.keyVersion}, ${row.previousHash}, ${row.actorTag},
    ${row.actionTag}, ${row.targetTag}, ${row.sealed}, ${row.hash}) as fed`
  return answer?.fed ?? false
}

function at(rows: readonly AuditRow[], seq: number): AuditRow {
  const row = rows[seq - 1]
  if (row === undefined) throw new Error(`no row ${seq}`)
  return row
}

async function stored(tx: Tx, tenantId: string): Promise<number[]> {
  const rows = await tx<{ seq: number }[]>`
    select seq from flarewatch.audit_log where tenant_id = ${tenantId} order by seq`
  return rows.map(({ seq }) => seq)
}

describe('L2: rows that Postgres lost come back by an operator’s act', () => {
  test('from the newest down, and the head stands where it stood', () =>
    afterLosing([3, 4, 6], async (tx, rows, act) => {
      for (const seq of [6, 4, 3]) {
        expect(await as(tx, 'flarewatch_ledger', () => refeed(tx, act, at(rows, seq)))).toBe(true)
      }
      expect(await stored(tx, act.tenantId)).toEqual([1, 2, 3, 4, 5, 6, 7])
      const [head] = await tx`select seq, hash from flarewatch.audit_heads where tenant_id = ${act.tenantId}`
      expect(head).toEqual({ seq: 7, hash: Buffer.from(act.hash) })
      const next = rowAfter(act.tenantId, act, NOW)
      expect(await as(tx, 'flarewatch_ledger', () => insertRow(tx, next))).toBe(1)
    }))

  test('a row that is stored is left as it is', () =>
    afterLosing([3], async (tx, rows, act) => {
      expect(await as(tx, 'flarewatch_ledger', () => refeed(tx, act, at(rows, 2)))).toBe(false)
      const forged = { ...at(rows, 2), sealed: randomBytes(300) }
      expect(await as(tx, 'flarewatch_ledger', () => refeed(tx, act, forged))).toBe(false)
    }))

  const chain = (rows: readonly AuditRow[], seq: number, changed: Partial<AuditRow>) =>
    rowAfter(at(rows, seq).tenantId, at(rows, seq - 1), NOW, changed)
  const lies: [string, string, (rows: readonly AuditRow[], act: AuditRow) => AuditRow][] = [
    ['another row in the place of the lost one', 'FW132', (rows) => chain(rows, 4, {})],
    [
      'the lost row with other content under its hash',
      'FW107',
      (rows) => ({ ...at(rows, 4), sealed: randomBytes(300) }),
    ],
    ['the lost row under another time', 'FW107', (rows) => ({ ...at(rows, 4), at: NOW.getTime() + 1000 })],
    ['a row below a gap', 'FW132', (rows) => at(rows, 3)],
    ['a row beyond the head', 'FW130', (_, act) => rowAfter(act.tenantId, act, NOW)],
  ]
  for (const [lie, sqlState, row] of lies) {
    test(`refuses ${lie} with ${sqlState}, and changes nothing`, () =>
      afterLosing([3, 4], async (tx, rows, act) => {
        expect(await refusal(tx, 'flarewatch_ledger', (inner) => refeed(inner, act, row(rows, act)))).toBe(sqlState)
        expect(await stored(tx, act.tenantId)).toEqual([1, 2, 5, 6, 7])
        const [head] = await tx`select seq from flarewatch.audit_heads where tenant_id = ${act.tenantId}`
        expect(head).toEqual({ seq: 7 })
      }))
  }

  test('refuses without the act’s row in the same log, behind the lost row, with FW131', () =>
    afterLosing([4], async (tx, rows, act) => {
      const acts = [
        { seq: 8, rowId: act.rowId },
        { seq: act.seq, rowId: randomUUID() },
        { seq: 2, rowId: at(rows, 2).rowId },
      ]
      for (const other of acts) {
        expect(await refusal(tx, 'flarewatch_ledger', (inner) => refeed(inner, other, at(rows, 4)))).toBe('FW131')
      }
    }))

  test('is the ledger’s alone', () =>
    afterLosing([4], async (tx, rows, act) => {
      for (const role of [...WORKER_ROLES, 'anon', 'authenticated', 'service_role'] as const) {
        if (role === 'flarewatch_ledger') continue
        expect(await refusal(tx, role, (inner) => refeed(inner, act, at(rows, 4))), role).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }))
})
