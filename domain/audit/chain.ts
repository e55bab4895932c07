import { equalConstantTime } from '../bytes.ts'
import { type AuditRow, epochOf, genesisHash, hashRow } from './row.ts'

export type ChainFailureCode =
  | 'tenant_mismatch'
  | 'sequence_gap'
  | 'previous_hash_mismatch'
  | 'hash_mismatch'
  | 'epoch_mismatch'
  | 'time_reversed'

export type ChainFailure = {
  /** The number that the row should have had: what lies before it is sound. */
  readonly seq: number
  readonly code: ChainFailureCode
}

/** Where a chain stands: the last sound row, or the start. */
export type ChainPlace = { readonly seq: number; readonly hash: Uint8Array; readonly at: number }

/** Judges one tenant's rows in order (L2). It needs no key: hashes cover sealed bytes. */
export class ChainVerifier {
  readonly #tenantId: string
  #place: ChainPlace
  #failure: ChainFailure | null = null

  /** `after` continues from a place that is trusted for another reason, such as a signed checkpoint. */
  constructor(tenantId: string, after: ChainPlace = { seq: 0, hash: genesisHash(tenantId), at: 0 }) {
    this.#tenantId = tenantId
    this.#place = after
  }

  get head(): ChainPlace {
    return this.#place
  }

  get failure(): ChainFailure | null {
    return this.#failure
  }

  /** The first failure, which stays: rows after it prove nothing. */
  feed(row: AuditRow): ChainFailure | null {
    if (this.#failure !== null) return this.#failure
    const code = this.#judge(row)
    if (code === null) this.#place = { seq: row.seq, hash: row.hash, at: row.at }
    else this.#failure = { seq: this.#place.seq + 1, code }
    return this.#failure
  }

  #judge(row: AuditRow): ChainFailureCode | null {
    if (row.tenantId !== this.#tenantId) return 'tenant_mismatch'
    if (row.seq !== this.#place.seq + 1) return 'sequence_gap'
    if (!equalConstantTime(row.previousHash, this.#place.hash)) return 'previous_hash_mismatch'
    if (!isHashed(row)) return 'hash_mismatch'
    if (row.epoch !== epochOf(row.at)) return 'epoch_mismatch'
    return row.at < this.#place.at ? 'time_reversed' : null
  }
}

/** Values that no row can hold, as a rewritten database may, have no hash. */
function isHashed(row: AuditRow): boolean {
  try {
    return equalConstantTime(hashRow(row), row.hash)
  } catch {
    return false
  }
}
