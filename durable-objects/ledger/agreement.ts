import { equalConstantTime } from '../../domain/bytes.ts'

/** The newest row that Postgres shows for a tenant; null when it shows none. */
export type StoredHead = { readonly seq: number; readonly hash: Uint8Array } | null

/** What the ledger knows. `flushedSeq` is taken before Postgres is asked, so that a flush in between raises no alarm. */
export type LedgerView = {
  readonly seq: number
  readonly flushedSeq: number
  /** The ledger's hash of a row; null when it keeps the row no more. */
  readonly hashOf: (seq: number) => Uint8Array | null
}

export type Disagreement = {
  readonly kind: 'ledger_behind' | 'audit_rows_gone' | 'audit_row_rewritten'
  readonly seq: number
}

/**
 * Compares both sides of a chain. Rows reach Postgres from the ledger alone, so a row there that the ledger does not
 * have means that the ledger lost history: nothing may be numbered on top of that. What Postgres lacks or shows
 * otherwise although it acknowledged it was changed there: the ledger is right, says so, and goes on.
 */
export function findDisagreement(stored: StoredHead, ledger: LedgerView): Disagreement | null {
  const storedSeq = stored?.seq ?? 0
  if (storedSeq > ledger.seq) return { kind: 'ledger_behind', seq: storedSeq }
  // Beyond 35 days the ledger keeps no rows to compare with, and months leave Postgres by retention: the verifier's work.
  if (storedSeq < ledger.flushedSeq && ledger.hashOf(ledger.flushedSeq) !== null) {
    return { kind: 'audit_rows_gone', seq: storedSeq + 1 }
  }
  const ours = stored === null ? null : ledger.hashOf(storedSeq)
  if (stored === null || ours === null || equalConstantTime(ours, stored.hash)) return null
  return { kind: storedSeq > ledger.flushedSeq ? 'ledger_behind' : 'audit_row_rewritten', seq: storedSeq }
}
