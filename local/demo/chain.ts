import postgres from 'postgres'
import { ChainVerifier } from '../../domain/audit/chain.ts'
import type { AuditRow } from '../../domain/audit/row.ts'
import { toBase64 } from '../../domain/bytes.ts'

export type Chain = {
  readonly ok: boolean
  readonly rows: number
  /** Base64, as a checkpoint's extension line has it. */
  readonly head: string
}

type StoredRow = {
  readonly tenant_id: string
  readonly epoch: number
  readonly seq: string
  readonly row_id: string
  readonly at: string
  readonly key_version: number
  readonly previous_hash: Buffer
  readonly actor_tag: Buffer
  readonly action_tag: Buffer
  readonly target_tag: Buffer
  readonly sealed: Buffer
  readonly hash: Buffer
}
const ROWS_A_FETCH = 500

/** Recomputes a tenant's chain from what Postgres holds, row by row. No key is needed: the hashes cover sealed bytes. */
export async function verifyStoredChain(superuserUrl: string, tenantId: string): Promise<Chain> {
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  const verifier = new ChainVerifier(tenantId)
  try {
    const rows = sql<StoredRow[]>`
      select tenant_id, epoch, seq, row_id, (extract(epoch from at) * 1000)::bigint as at, key_version, previous_hash,
             actor_tag, action_tag, target_tag, sealed, hash
      from flarewatch.audit_log where tenant_id = ${tenantId} order by seq`
    for await (const fetched of rows.cursor(ROWS_A_FETCH)) for (const row of fetched) verifier.feed(auditRow(row))
  } finally {
    await sql.end()
  }
  const { seq, hash } = verifier.head
  return { ok: verifier.failure === null && seq > 0, rows: seq, head: toBase64(hash) }
}

function auditRow(row: StoredRow): AuditRow {
  return {
    tenantId: row.tenant_id,
    epoch: row.epoch,
    seq: Number(row.seq),
    rowId: row.row_id,
    at: Number(row.at),
    keyVersion: row.key_version,
    previousHash: row.previous_hash,
    actorTag: row.actor_tag,
    actionTag: row.action_tag,
    targetTag: row.target_tag,
    sealed: row.sealed,
    hash: row.hash,
  }
}
