import { Buffer } from 'node:buffer'
import type { AuditRow } from '../../domain/audit/row.ts'
import { connect, sqlStateOf } from '../../workers/runtime/database.ts'
import type { AuditStore, RepairStore } from './platform.ts'

export const PART = 'durable-objects'
const CLOSE_TIMEOUT_SECONDS = 1
const UNIQUE_VIOLATION = '23505'

/** Postgres, as role `flarewatch_ledger`. */
export function postgresStore(hyperdrive: Hyperdrive): AuditStore & RepairStore {
  const sql = connect(hyperdrive)
  return {
    // Of a chain that was pruned to its end, the certificate says where that was.
    newestRow: async (tenantId) => {
      const [stored] = await sql<{ seq: number; hash: Uint8Array }[]>`
        (select seq, hash from flarewatch.audit_log where tenant_id = ${tenantId} order by epoch desc, seq desc limit 1)
        union all
        (select last_seq, last_hash from flarewatch.epoch_certificates where log = ${tenantId} order by last_seq desc limit 1)
        order by seq desc limit 1`
      return stored ?? null
    },
    addRows: async (rows) => {
      // One parameter for all: twelve a row would cost more than the rest of the feed.
      const json = JSON.stringify(rows.map(storedColumns))
      // No ON CONFLICT: the chain-extending trigger skips a row that is stored already and refuses whatever differs.
      await sql`insert into flarewatch.audit_log (tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag,
          action_tag, target_tag, sealed, hash)
        select tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash
        from rows from (json_to_recordset(${json}::text::json) as (tenant_id uuid, epoch integer, seq bigint, row_id uuid,
          at timestamptz, key_version integer, previous_hash bytea, actor_tag bytea, action_tag bytea, target_tag bytea,
          sealed bytea, hash bytea)) with ordinality as fed (tenant_id, epoch, seq, row_id, at, key_version,
          previous_hash, actor_tag, action_tag, target_tag, sealed, hash, place)
        order by place`
    },
    addIncident: async (tenantId, { id, kind, seq, detail, at }) => {
      const row = { id, tenant_id: tenantId, kind, seq, part: PART, detail: sql.json(detail), at: new Date(at) }
      try {
        await sql`insert into flarewatch.incidents ${sql(row)}`
      } catch (error) {
        // The first try was stored and its answer lost.
        if (sqlStateOf(error) !== UNIQUE_VIOLATION) throw error
      }
    },
    hashesBetween: async (tenantId, first, last) => {
      const rows = await sql<{ seq: number; hash: Uint8Array }[]>`
        select seq, hash from flarewatch.audit_log
        where tenant_id = ${tenantId} and seq between ${first} and ${last}`
      const hashes = new Map<number, Uint8Array | null>()
      for (const { seq, hash } of rows) hashes.set(seq, hashes.has(seq) ? null : hash)
      return hashes
    },
    countBetween: async (tenantId, first, last) => {
      const [row] = await sql<{ count: number }[]>`
        select count(distinct seq)::int as count from flarewatch.audit_log
        where tenant_id = ${tenantId} and seq between ${first} and ${last}`
      return row?.count ?? 0
    },
    refeedRow: async (act, row) => {
      const [answer] = await sql<{ fed: boolean }[]>`
        select flarewatch.refeed_audit_row(${act.seq}, ${act.rowId}, ${row.tenantId}, ${row.epoch}, ${row.seq}, ${row.rowId},
          ${new Date(row.at)}, ${row.keyVersion}, ${row.previousHash}, ${row.actorTag}, ${row.actionTag}, ${row.targetTag},
          ${row.sealed}, ${row.hash}) as fed`
      return answer?.fed === true
    },
    close: () => void sql.end({ timeout: CLOSE_TIMEOUT_SECONDS }).catch(() => {}),
  }
}

function storedColumns(row: AuditRow) {
  return {
    tenant_id: row.tenantId,
    epoch: row.epoch,
    seq: row.seq,
    row_id: row.rowId,
    at: new Date(row.at).toISOString(),
    key_version: row.keyVersion,
    previous_hash: bytea(row.previousHash),
    actor_tag: bytea(row.actorTag),
    action_tag: bytea(row.actionTag),
    target_tag: bytea(row.targetTag),
    sealed: bytea(row.sealed),
    hash: bytea(row.hash),
  }
}

/** PostgreSQL manual, section 8.4.1: the hex format. */
function bytea({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return `\\x${Buffer.from(buffer, byteOffset, byteLength).toString('hex')}`
}
