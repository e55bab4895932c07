import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { type AuditRow, genesisHash } from '../../domain/audit/row.ts'
import { insertRow, rowAfter } from './audit-rows.ts'
import { connectAs } from './database.ts'
import { NOW } from './world.ts'

/** These commit, since one transaction cannot race itself. Each has a tenant of its own, whose rows stay: nobody can delete them. */
const superuser = connectAs('supabase_admin')
const writers = connectAs('flarewatch_ledger', 8)

async function newTenant(): Promise<string> {
  const id = randomUUID()
  await superuser`insert into flarewatch.tenants (id, name) values (${id}, 'Racing')`
  return id
}

async function tryInsert(row: AuditRow): Promise<string> {
  try {
    return `${await writers.begin((tx) => insertRow(tx, row))} stored`
  } catch (error) {
    if (error instanceof postgres.PostgresError) return error.code
    throw error
  }
}

test('L2: of many writers that extend the same head exactly one does, from the first row on', async () => {
  const tenantId = await newTenant()
  for (let previous: AuditRow | null = null, round = 0; round < 5; round++) {
    const rivals: AuditRow[] = Array.from({ length: 8 }, () => rowAfter(tenantId, previous, NOW))
    const outcomes = await Promise.all(rivals.map(tryInsert))
    expect(outcomes.filter((outcome) => outcome === '1 stored')).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === 'FW102')).toHaveLength(7)
    previous = rivals[outcomes.indexOf('1 stored')] ?? null
  }
  const stored = await superuser`
    select seq, previous_hash, hash from flarewatch.audit_log where tenant_id = ${tenantId} order by epoch, seq`
  expect(stored.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
  for (const [index, row] of stored.entries()) {
    expect(row.previous_hash).toEqual(index === 0 ? Buffer.from(genesisHash(tenantId)) : stored[index - 1]?.hash)
  }
})

test('L2: a rival of the same place waits for the first writer and is then refused, also when it belongs to the next month', async () => {
  const tenantId = await newTenant()
  const nextMonth = new Date(Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth() + 1, 1))
  const first = rowAfter(tenantId, null, NOW)
  await tryInsert(first)
  const [honest, rival] = [rowAfter(tenantId, first, NOW), rowAfter(tenantId, first, nextMonth)]
  const outcome = await writers.begin(async (tx) => {
    await insertRow(tx, honest)
    const rivals = tryInsert(rival)
    await someoneWaits()
    return { rivals }
  })
  expect(await outcome.rivals).toBe('FW102')
  const stored = await superuser`select row_id from flarewatch.audit_log where tenant_id = ${tenantId} and seq = 2`
  expect(stored.slice()).toEqual([{ row_id: honest.rowId }])
})

/** Until another session waits for a lock behind one of ours. */
async function someoneWaits(): Promise<void> {
  for (;;) {
    const [row] = await superuser`
      select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and usename = 'flarewatch_ledger'`
    if (row?.n > 0) return
  }
}

test('L2: many writers that send the same row store it once, and all succeed', async () => {
  const tenantId = await newTenant()
  const row = rowAfter(tenantId, null, NOW)
  const outcomes = await Promise.all(Array.from({ length: 8 }, () => tryInsert(row)))
  expect(outcomes.sort()).toEqual([...Array(7).fill('0 stored'), '1 stored'])
})
