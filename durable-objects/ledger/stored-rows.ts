import type { AuditRow } from '../../domain/audit/row.ts'
import { connect, type Sql } from '../../workers/runtime/database.ts'
import type { StoredHead } from './agreement.ts'

const CLOSE_TIMEOUT_SECONDS = 1

/** What the role flarewatch_ledger sees and does in Postgres: places and hashes of a tenant's rows, and rows that it adds. */
export async function withStore<Value>(hyperdrive: Hyperdrive, work: (sql: Sql) => Promise<Value>): Promise<Value> {
  const sql = connect(hyperdrive)
  try {
    return await work(sql)
  } finally {
    void sql.end({ timeout: CLOSE_TIMEOUT_SECONDS }).catch(() => {})
  }
}

export async function storedHead(sql: Sql, tenantId: string): Promise<StoredHead> {
  const [head] = await sql<{ seq: number; hash: Uint8Array }[]>`
    select seq, hash from flarewatch.audit_log
    where tenant_id = ${tenantId}
    order by epoch desc, seq desc
    limit 1`
  return head ?? null
}

/** Hashes by place. At a place that has two rows neither counts. */
export async function storedHashes(
  sql: Sql,
  tenantId: string,
  first: number,
  last: number,
): Promise<Map<number, Uint8Array | null>> {
  const rows = await sql<{ seq: number; hash: Uint8Array }[]>`
    select seq, hash from flarewatch.audit_log
    where tenant_id = ${tenantId} and seq between ${first} and ${last}`
  const hashes = new Map<number, Uint8Array | null>()
  for (const { seq, hash } of rows) hashes.set(seq, hashes.has(seq) ? null : hash)
  return hashes
}

export async function countStored(sql: Sql, tenantId: string, first: number, last: number): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(distinct seq)::int as count from flarewatch.audit_log
    where tenant_id = ${tenantId} and seq between ${first} and ${last}`
  return row?.count ?? 0
}

/** No ON CONFLICT: the chain-extending trigger skips a row that is stored already and refuses whatever differs. */
export async function insertRows(sql: Sql, rows: readonly AuditRow[]): Promise<void> {
  await sql`insert into flarewatch.audit_log ${sql(rows.map(columnsOf))}`
}

/** False when a row is stored there already. Refused where the chain that is left does not name this row. */
export async function refeedRow(sql: Sql, act: AuditRow, row: AuditRow): Promise<boolean> {
  const [answer] = await sql<{ fed: boolean }[]>`
    select flarewatch.refeed_audit_row(${act.seq}, ${act.rowId}, ${row.tenantId}, ${row.epoch}, ${row.seq}, ${row.rowId},
      ${new Date(row.at)}, ${row.keyVersion}, ${row.previousHash}, ${row.actorTag}, ${row.actionTag}, ${row.targetTag},
      ${row.sealed}, ${row.hash}) as fed`
  return answer?.fed === true
}

function columnsOf(row: AuditRow) {
  return {
    tenant_id: row.tenantId,
    epoch: row.epoch,
    seq: row.seq,
    row_id: row.rowId,
    at: new Date(row.at),
    key_version: row.keyVersion,
    previous_hash: row.previousHash,
    actor_tag: row.actorTag,
    action_tag: row.actionTag,
    target_tag: row.targetTag,
    sealed: row.sealed,
    hash: row.hash,
  }
}
