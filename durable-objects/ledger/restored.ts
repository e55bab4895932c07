import type { Shares } from '../../domain/backup/shares.ts'
import type { RestoreRequest } from '../../domain/contracts/durable-objects.ts'
import { fromBlob } from '../columns.ts'
import type { LedgerSql } from './platform.ts'
import type { LedgerColumns, RestoredColumns } from './tables.ts'

/** What a ledger knows of having been restored from a backup. Synchronous, as the book is. */
export class Restored {
  readonly #sql: LedgerSql
  /** Read at each append, so kept in memory; undefined once it may have changed. */
  #known: RestoredColumns | null | undefined

  constructor(sql: LedgerSql) {
    this.#sql = sql
  }

  get unproven(): boolean {
    return (this.#read()?.proof_row ?? null) !== null
  }

  /** Until restored shares are proven, the chain takes the row of their proof and its outcome, and no other. */
  bars(rowId: string): boolean {
    const known = this.#read()
    if (known === null || known.proof_row === null) return false
    return rowId !== known.proof_row && rowId !== known.outcome_row
  }

  birthHash(): Uint8Array | null {
    const known = this.#read()
    return known === null ? null : fromBlob(known.birth_hash)
  }

  /** A lost ledger begins anew where the chain stands, and so does one whose restored shares were never proven. */
  take({ tenantId, end, birthHash, proofRow, outcomeRow }: RestoreRequest, { audit, release }: Shares): void {
    this.#known = undefined
    this.#sql.exec(
      `INSERT INTO ledger (one, tenant_id, audit_share, release_share, seq, hash, epoch, at, flushed_seq,
        released_since_birth, behind) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0)
        ON CONFLICT (one) DO UPDATE SET audit_share = excluded.audit_share, release_share = excluded.release_share,
          seq = excluded.seq, hash = excluded.hash, epoch = excluded.epoch, at = excluded.at,
          flushed_seq = excluded.flushed_seq, behind = 0`,
      tenantId,
      audit,
      release,
      end.seq,
      end.hash,
      end.epoch,
      end.at,
      end.seq,
    )
    this.#sql.exec(
      'INSERT OR REPLACE INTO restored (one, birth_hash, proof_row, outcome_row) VALUES (1, ?, ?, ?)',
      birthHash,
      proofRow,
      outcomeRow,
    )
  }

  /** False when another row was to prove them. */
  conclude(proofRow: string): boolean {
    this.#known = undefined
    const concluded = this.#sql
      .exec('UPDATE restored SET proof_row = NULL, outcome_row = NULL WHERE proof_row = ? RETURNING 1', proofRow)
      .toArray()
    return concluded.length > 0
  }

  /** Whether shares may still be taken: there are none, or none that ever opened anything. */
  mayTake(ledger: LedgerColumns | null): boolean {
    return ledger === null || this.unproven
  }

  #read(): RestoredColumns | null {
    if (this.#known === undefined) {
      this.#known = this.#sql.exec<RestoredColumns>('SELECT * FROM restored').toArray()[0] ?? null
    }
    return this.#known
  }
}
