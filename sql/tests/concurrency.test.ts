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

test('L2: many writers that send the same row store it once, and all succeed', async () => {
  const tenantId = await newTenant()
  const row = rowAfter(tenantId, null, NOW)
  const outcomes = await Promise.all(Array.from({ length: 8 }, () => tryInsert(row)))
  expect(outcomes.sort()).toEqual([...Array(7).fill('0 stored'), '1 stored'])
})
