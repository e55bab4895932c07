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

/** What of a row is judged beside its hash. */
export type ChainedRow = Pick<AuditRow, 'tenantId' | 'epoch' | 'seq' | 'at' | 'previousHash' | 'hash'>
/** Throws for values that no row can hold, as a rewritten database may. */
export type HashOfRow<Row extends ChainedRow> = (row: Row) => Uint8Array

/** Judges one tenant's rows in order (L2). It needs no key: hashes cover sealed bytes. */
export class ChainJudge<Row extends ChainedRow> {
  readonly #tenantId: string
  readonly #hashOf: HashOfRow<Row>
  #place: ChainPlace
  #failure: ChainFailure | null = null

  /** `after` continues from a place that is trusted for another reason, such as a signed checkpoint. */
  constructor(tenantId: string, after: ChainPlace, hashOf: HashOfRow<Row>) {
    this.#tenantId = tenantId
    this.#place = after
    this.#hashOf = hashOf
  }

  get head(): ChainPlace {
    return this.#place
  }

  get failure(): ChainFailure | null {
    return this.#failure
  }

  /** The first failure, which stays: rows after it prove nothing. */
  feed(row: Row): ChainFailure | null {
    if (this.#failure !== null) return this.#failure
    const code = this.#judge(row)
    if (code === null) this.#place = { seq: row.seq, hash: row.hash, at: row.at }
    else this.#failure = { seq: this.#place.seq + 1, code }
    return this.#failure
  }

  #judge(row: Row): ChainFailureCode | null {
    if (row.tenantId !== this.#tenantId) return 'tenant_mismatch'
    if (row.seq !== this.#place.seq + 1) return 'sequence_gap'
    if (!equalConstantTime(row.previousHash, this.#place.hash)) return 'previous_hash_mismatch'
    if (!this.#isHashed(row)) return 'hash_mismatch'
    if (row.epoch !== epochOf(row.at)) return 'epoch_mismatch'
    return row.at < this.#place.at ? 'time_reversed' : null
  }

  #isHashed(row: Row): boolean {
    try {
      return equalConstantTime(this.#hashOf(row), row.hash)
    } catch {
      return false
    }
  }
}

/** The judge of rows in the form that the ledger and exports have them in. */
export class ChainVerifier extends ChainJudge<AuditRow> {
  constructor(tenantId: string, after: ChainPlace = { seq: 0, hash: genesisHash(tenantId), at: 0 }) {
    super(tenantId, after, hashRow)
  }
}
