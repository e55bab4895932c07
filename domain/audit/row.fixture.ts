import { randomBytes } from '../bytes.ts'
import { type AuditRow, epochOf, genesisHash, hashRow } from './row.ts'

const DAY_MS = 86_400_000

/** Rows that chain, a day apart unless told otherwise, for tests of what reads them. */
export function chainedRows(
  tenantId: string,
  count: number,
  start = Date.UTC(2026, 0, 15, 12),
  step = DAY_MS,
): AuditRow[] {
  const rows: AuditRow[] = []
  for (let seq = 1; seq <= count; seq++) {
    const at = start + (seq - 1) * step
    rows.push(
      rehash({
        tenantId,
        rowId: crypto.randomUUID(),
        keyVersion: 1,
        actorTag: randomBytes(32),
        actionTag: randomBytes(32),
        targetTag: randomBytes(32),
        sealed: randomBytes(285),
        epoch: epochOf(at),
        seq,
        at,
        previousHash: rows.at(-1)?.hash ?? genesisHash(tenantId),
      }),
    )
  }
  return rows
}

export function rehash(row: Omit<AuditRow, 'hash'>): AuditRow {
  return { ...row, hash: hashRow(row) }
}
