/** What is wrong with a tenant's chain. Each becomes an incident that names kind and sequence. */
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
  | 'tenant_missing'
  | 'tenant_unrostered'
  | 'birth_unfinished'
  /** Deleted in Postgres, and the roster does not know of it. */
  | 'deletion_unwitnessed'
  /** Begun an hour ago or longer, and not completed: the operator runs the same command again. */
  | 'deletion_unfinished'
  /** Deleted, and back: in Postgres's list of tenants, in its keys, in rows after the last, or in the ledger. */
  | 'tenant_undeleted'

export type Finding = {
  readonly kind: FindingKind
  readonly seq: number | null
  /** Stable words and hexadecimal hashes; never content. */
  readonly detail: Readonly<Record<string, string>>
}
