/** What is wrong with a tenant's chain, or with its being checked. Each becomes an incident that names kind and sequence. */
export type FindingKind =
  | 'row_edited'
  | 'row_deleted'
  | 'row_inserted'
  | 'row_reordered'
  /** Rows that Postgres acknowledged to the ledger are gone from the end. */
  | 'tail_truncated'
  /** Postgres holds a chain that is sound by itself and is not the ledger's: rewritten with hashes recomputed. */
  | 'fork'
  /** Postgres holds rows that the ledger does not know: the ledger was restored from an older state. */
  | 'ledger_behind'
  /** `audit_heads`, from which the next row is judged, is not the last row. */
  | 'head_mismatch'
  /** A receipt that was signed earlier and what both sides hold now cannot both be true. */
  | 'receipt_inconsistent'
  /** A receipt that was published is gone from Postgres or from the bucket. */
  | 'receipt_missing'
  /** How far the verifier had come was changed by somebody else; it began anew. */
  | 'verification_forged'
  /** The chain has not been verified end to end for longer than a day. */
  | 'night_missed'
  /** Rows go unsigned or do not reach Postgres, or keys are used while the chain does not grow. */
  | 'receipts_stalled'
  /** The front of the chain is gone, and no certificate says that it was pruned. */
  | 'pruned_without_certificate'
  /** A certificate and what is stored beside it cannot both be true, or one of its two copies is gone. */
  | 'certificate_inconsistent'
  /** An epoch is past its retention and cannot leave. */
  | 'epoch_held'
  | 'tenant_missing'
  | 'tenant_unrostered'
  | 'birth_unfinished'
  /** Row-level security or a trigger of the log is off. No tenant, no sequence: nothing of the rows is said. */
  | 'guards_off'
  /** What guards the log was altered since the run before, though it may be as it was. */
  | 'guards_changed'

export type Finding = {
  readonly kind: FindingKind
  readonly seq: number | null
  /** Stable words and hexadecimal hashes; never content. */
  readonly detail: Readonly<Record<string, string>>
}
