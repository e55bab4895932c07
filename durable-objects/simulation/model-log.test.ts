import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuditRow, epochOf, genesisHash, hashRow } from '../../domain/audit/row.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import type { EmbeddedPostgres } from '../../local/postgres/postgres.ts'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'
import { sqlStateOf } from '../../workers/runtime/database.ts'
import { postgresStore } from '../ledger/postgres-store.ts'
import { ModelLog } from './model-log.ts'
import { Random } from './random.ts'

/** This month exists, whenever the test runs, and no row below leaves it. */
const MONTH_START = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth())
const SEALED_BYTES = 285
const TENANTS = 12
const INSERTS_EACH = 30

let database: EmbeddedPostgres
let superuser: postgres.Sql
beforeAll(async () => {
  database = await startThrowawayPostgres()
  superuser = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
})
afterAll(async () => {
  await superuser?.end()
  await database?.stop()
})

describe('the model of the trigger', () => {
  it('L2, L3 answers every insert of the ledger, honest or not, as Postgres does, and then holds the same rows', async () => {
    const random = new Random(1)
    const store = postgresStore({ connectionString: database.urlFor('flarewatch_ledger') } as Hyperdrive)
    const refusals = new Set<string | null>()
    for (let tenant = 0; tenant < TENANTS; tenant += 1) {
      const tenantId = TenantId.parse(randomUUID())
      await superuser`insert into flarewatch.tenants (id, name) values (${tenantId}, 'Agency')`
      const model = new ModelLog(tenantId)
      for (let insert = 0; insert < INSERTS_EACH; insert += 1) {
        const rows = rowsToTry(model, tenantId, random)
        const expected = model.addRows(rows)
        expect(await store.addRows(rows).then(() => null, sqlStateOf)).toBe(expected)
        expect(await store.newestRow(tenantId)).toEqual(asStored(model.newestRow()))
        refusals.add(expected)
      }
      const stored = await superuser`select encode(hash, 'hex') as hash from flarewatch.audit_log
        where tenant_id = ${tenantId} order by epoch, seq`
      expect(stored.map(({ hash }) => hash)).toEqual(model.rows.map(({ hash }) => Buffer.from(hash).toString('hex')))
    }
    store.close()
    // Each rule was tried: a model that never refuses would agree with a trigger that is never asked.
    expect([...refusals].sort()).toEqual(['FW101', 'FW102', 'FW103', 'FW104', 'FW105', 'FW107', null].sort())
  })
})

function asStored(head: { seq: number; hash: Uint8Array } | null) {
  return head === null ? null : { seq: head.seq, hash: Buffer.from(head.hash) }
}

/** A few rows that may repeat what is stored, extend it, and go wrong at one place. */
function rowsToTry(model: ModelLog, tenantId: string, random: Random): AuditRow[] {
  const repeated = model.rows.slice(model.rows.length - random.between(0, 3))
  const rows: AuditRow[] = [...repeated]
  const extendBy = random.between(0, 4)
  for (let more = 0; more < extendBy; more += 1) rows.push(nextRow(rows.at(-1) ?? model.rows.at(-1), tenantId, random))
  if (rows.length === 0) rows.push(nextRow(model.rows.at(-1), tenantId, random))
  if (random.chance(0.4)) {
    const at = random.between(0, rows.length - 1)
    const row = rows[at]
    if (row !== undefined) rows[at] = spoil(row, random)
  }
  const last = rows.at(-1)
  if (last !== undefined && random.chance(0.1)) rows.push(last)
  return rows
}

function nextRow(last: AuditRow | undefined, tenantId: string, random: Random): AuditRow {
  const at = Math.max(last?.at ?? 0, MONTH_START) + random.between(0, 60_000)
  const row = {
    tenantId,
    epoch: epochOf(at),
    seq: (last?.seq ?? 0) + 1,
    rowId: random.uuid(),
    at,
    keyVersion: random.between(1, 3),
    previousHash: last?.hash ?? genesisHash(tenantId),
    actorTag: random.bytes(32),
    actionTag: random.bytes(32),
    targetTag: random.bytes(32),
    sealed: random.bytes(SEALED_BYTES),
  }
  return { ...row, hash: hashRow(row) }
}

function spoil(row: AuditRow, random: Random): AuditRow {
  const { hash: _, ...unhashed } = row
  const rehashed = (changed: Partial<AuditRow>): AuditRow => {
    const body = { ...unhashed, ...changed }
    return { ...body, hash: hashRow(body) }
  }
  return random.pick([
    () => rehashed({ seq: row.seq + random.between(1, 3) }),
    () => rehashed({ previousHash: random.bytes(32) }),
    () => rehashed({ epoch: epochOf(MONTH_START - 1) }),
    () => rehashed({ at: MONTH_START - 1, epoch: epochOf(MONTH_START - 1) }),
    () => rehashed({ sealed: random.bytes(SEALED_BYTES) }),
    () => ({ ...row, hash: random.bytes(32) }),
    () => ({ ...row, sealed: random.bytes(SEALED_BYTES) }),
  ])()
}
