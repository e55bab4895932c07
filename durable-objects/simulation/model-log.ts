import { type AuditRow, epochOf, genesisHash, hashRow } from '../../domain/audit/row.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { StoredHead } from '../ledger/agreement.ts'
import type { Incident } from '../ledger/book.ts'

/** The SQLSTATE with which the trigger of `sql/migrations/0009_audit_log.sql` refuses a row. */
export type TriggerRefusal = 'FW101' | 'FW102' | 'FW103' | 'FW104' | 'FW105' | 'FW107'

type Head = { readonly seq: number; readonly hash: Uint8Array; readonly at: number }
export type ModelState = { readonly head: Head; readonly rows: readonly AuditRow[] }

/**
 * One tenant's audit log as Postgres keeps it: fast enough for thousands of runs, and held to the real trigger by
 * `model-log.test.ts`, which asks both the same things.
 */
export class ModelLog {
  readonly tenantId: string
  #state: ModelState
  readonly #incidents = new Map<string, Incident>()

  constructor(tenantId: string) {
    this.tenantId = tenantId
    this.#state = { head: { seq: 0, hash: genesisHash(tenantId), at: Number.NEGATIVE_INFINITY }, rows: [] }
  }

  get rows(): readonly AuditRow[] {
    return this.#state.rows
  }

  get incidents(): readonly Incident[] {
    return [...this.#incidents.values()]
  }

  newestRow(): StoredHead {
    const row = this.#state.rows.at(-1)
    return row === undefined ? null : { seq: row.seq, hash: row.hash }
  }

  /** One INSERT: all of it or, when one row is refused, nothing. */
  addRows(rows: readonly AuditRow[]): TriggerRefusal | null {
    let state = this.#state
    for (const row of rows) {
      const judged = judge(state, row)
      if (typeof judged === 'string') return judged
      state = judged
    }
    this.#state = state
    return null
  }

  /** As `incidents.id` is unique: a second telling changes nothing. */
  addIncident(incident: Incident): void {
    if (!this.#incidents.has(incident.id)) this.#incidents.set(incident.id, incident)
  }

  backup(): ModelState {
    return this.#state
  }

  restore(state: ModelState): void {
    this.#state = state
  }
}

function judge(state: ModelState, row: AuditRow): ModelState | TriggerRefusal {
  const { head, rows } = state
  if (row.seq <= head.seq) {
    const stored = rows.find(({ seq, epoch }) => seq === row.seq && epoch === row.epoch)
    return stored !== undefined && isSame(stored, row) ? state : 'FW102'
  }
  if (row.seq !== head.seq + 1) return 'FW101'
  if (!equalConstantTime(row.previousHash, head.hash)) return 'FW103'
  if (row.epoch !== epochOf(row.at)) return 'FW104'
  if (row.at < head.at) return 'FW105'
  if (!equalConstantTime(row.hash, hashRow(row))) return 'FW107'
  return { head: { seq: row.seq, hash: row.hash, at: row.at }, rows: [...rows, row] }
}

/** The hash is compared as stored, like every other column: a row may carry one that is not its own. */
function isSame(one: AuditRow, other: AuditRow): boolean {
  return (
    one.rowId === other.rowId &&
    one.at === other.at &&
    one.keyVersion === other.keyVersion &&
    equalConstantTime(one.previousHash, other.previousHash) &&
    equalConstantTime(one.actorTag, other.actorTag) &&
    equalConstantTime(one.actionTag, other.actionTag) &&
    equalConstantTime(one.targetTag, other.targetTag) &&
    equalConstantTime(one.sealed, other.sealed) &&
    equalConstantTime(one.hash, other.hash)
  )
}
