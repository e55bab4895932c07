import { randomBytes, randomUUID } from 'node:crypto'
import { type AuditRow, epochOf, genesisHash, hashRow } from '../../domain/audit/row.ts'
import type { Tx } from './database.ts'

/** The smallest sealed content: version byte, nonce, one padded block, tag. */
const SEALED_BYTES = 1 + 12 + 256 + 16

/** The next honest row of a chain; `changed` makes it dishonest and leaves the hash right for what it then says. */
export function rowAfter(
  tenantId: string,
  previous: { readonly seq: number; readonly hash: Uint8Array } | null,
  at: Date,
  changed: Partial<AuditRow> = {},
): AuditRow {
  const body = {
    tenantId,
    epoch: epochOf(at.getTime()),
    seq: (previous?.seq ?? 0) + 1,
    rowId: randomUUID(),
    at: at.getTime(),
    keyVersion: 1,
    previousHash: previous?.hash ?? genesisHash(tenantId),
    actorTag: randomBytes(32),
    actionTag: randomBytes(32),
    targetTag: randomBytes(32),
    sealed: randomBytes(SEALED_BYTES),
    ...changed,
  }
  return { ...body, hash: changed.hash ?? hashRow(body) }
}

export function chainOf(tenantId: string, at: Date, length: number): AuditRow[] {
  const rows: AuditRow[] = []
  for (let index = 0; index < length; index++) rows.push(rowAfter(tenantId, rows.at(-1) ?? null, at))
  return rows
}

export async function insertRow(tx: Tx, row: AuditRow, table = 'audit_log'): Promise<number> {
  const result = await tx`insert into ${tx(`flarewatch.${table}`)} ${tx({
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
  })}`
  return result.count
}
