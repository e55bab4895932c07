import { type AuditRow, hashRow } from '../../domain/audit/row.ts'
import { equalConstantTime, toHex } from '../../domain/bytes.ts'
import type { Finding } from './finding.ts'
import type { ReadRow } from './stored-chain.ts'

/** Both sides of a tenant's log: what Postgres stores now, and what the ledger wrote and still keeps. */
export type Evidence = {
  /** Stored rows by place; more than one at a place when rows were added. */
  readonly stored: (firstSeq: number, lastSeq: number) => Promise<readonly ReadRow[]>
  readonly storedSeqOf: (rowId: string) => Promise<number | null>
  /** The ledger's rows from a place on, oldest first; those that it dropped are left out. */
  readonly kept: (fromSeq: number) => Promise<readonly AuditRow[]>
  readonly keptSeqOf: (rowId: string) => Promise<number | null>
}

/** The first place at which the two sides differ, and how; null when they agree wherever the ledger still has rows. */
export async function firstDivergence(evidence: Evidence, fromSeq: number): Promise<Finding | null> {
  for (let next = fromSeq; ; ) {
    const kept = await evidence.kept(next)
    const [first, last] = [kept[0], kept.at(-1)]
    if (first === undefined || last === undefined) return null
    const stored = Map.groupBy(await evidence.stored(first.seq, last.seq), seqOf)
    const differs = kept.find((row) => !isIntact(row, stored.get(row.seq) ?? []))
    if (differs !== undefined) return nameDifference(evidence, differs, stored.get(differs.seq) ?? [])
    next = last.seq + 1
  }
}

function isIntact(kept: AuditRow, stored: readonly ReadRow[]): boolean {
  const [only, ...others] = stored
  if (only === undefined || others.length > 0 || !only.ok) return false
  // The hash is computed again: an edit that left the hash column alone is an edit.
  return equalConstantTime(only.row.hash, kept.hash) && equalConstantTime(hashRow(only.row), kept.hash)
}

async function nameDifference(evidence: Evidence, kept: AuditRow, stored: readonly ReadRow[]): Promise<Finding> {
  const { seq } = kept
  const detail = { expected_hash: toHex(kept.hash), ...storedHashes(stored) }
  if (stored.length > 1) return { kind: 'row_inserted', seq, detail }
  const [found] = stored
  const movedTo = await evidence.storedSeqOf(kept.rowId)
  if (found === undefined) {
    // A gap. When its row is elsewhere, it was moved there.
    return { kind: movedTo === null ? 'row_deleted' : 'row_reordered', seq, detail }
  }
  if (rowIdOf(found) === kept.rowId) return { kind: 'row_edited', seq, detail }
  const cameFrom = await evidence.keptSeqOf(rowIdOf(found))
  if (movedTo !== null) return { kind: cameFrom === null ? 'row_inserted' : 'row_reordered', seq, detail }
  return { kind: cameFrom === null ? 'row_edited' : 'row_deleted', seq, detail }
}

/** Rows at one place that an incident names; more say no more. */
const MAX_NAMED = 8

function storedHashes(stored: readonly ReadRow[]): Record<string, string> {
  if (stored.length === 0) return {}
  return {
    stored_hash: stored
      .slice(0, MAX_NAMED)
      .map((read) => (read.ok ? toHex(hashRow(read.row)) : 'malformed'))
      .join(' '),
  }
}

function seqOf(read: ReadRow): number {
  return read.ok ? read.row.seq : read.seq
}

function rowIdOf(read: ReadRow): string {
  return read.ok ? read.row.rowId : read.rowId
}
