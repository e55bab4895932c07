import { connect, sqlStateOf } from '../../workers/runtime/database.ts'
import type { AuditStore } from './platform.ts'

export const PART = 'durable-objects'
const CLOSE_TIMEOUT_SECONDS = 1
const UNIQUE_VIOLATION = '23505'

/** Postgres, as role `flarewatch_ledger`. */
export function postgresStore(hyperdrive: Hyperdrive): AuditStore {
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
      const values = rows.map((row) => ({
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
      }))
      // No ON CONFLICT: the chain-extending trigger skips a row that is stored already and refuses whatever differs.
      await sql`insert into flarewatch.audit_log ${sql(values)}`
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
    close: () => void sql.end({ timeout: CLOSE_TIMEOUT_SECONDS }).catch(() => {}),
  }
}
