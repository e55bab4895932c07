import { ChainVerifier } from '../../domain/audit/chain.ts'
import type { AuditRow } from '../../domain/audit/row.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { LedgerHead } from '../../domain/contracts/durable-objects.ts'
import type { Life } from './life.ts'
import type { ModelLog } from './model-log.ts'
import { Violation } from './violation.ts'
import type { Witness } from './witness.ts'

const EVERY_ROW = 100_000
/** The ledger prunes no further than behind this row. */
const BIRTH_SEQ = 1

type Book = { readonly head: LedgerHead; readonly rows: readonly AuditRow[] }

export function readBook(life: Life): Book {
  return life.inspect(({ book }) => ({ head: book.head(), rows: book.rowsFrom(1, EVERY_ROW) }))
}

/** Holds after every crash and at every time: both sides are chains, and nothing that was promised is gone. */
export function judgeAlways(life: Life, log: ModelLog, witness: Witness): void {
  const book = readBook(life)
  judgeChain('ledger', keptTail(book.rows, log), log.tenantId)
  judgeChain('postgres', log.rows, log.tenantId)
  const last = book.rows.at(-1)
  if (last !== undefined && (book.head.seq !== last.seq || !equalConstantTime(book.head.hash, last.hash))) {
    throw new Violation('head_off', `head ${book.head.seq}, last row ${last.seq}`)
  }
  if (!witness.ledgerSetBack) {
    for (const row of log.rows) {
      if (row.seq > book.head.seq) throw new Violation('postgres_ahead', `row ${row.seq}`)
    }
  }
  judgePromises(book.rows, log.rows, witness)
}

/** Pruned rows are in Postgres: the chain is read from there up to where the ledger's own rows begin. */
function keptTail(rows: readonly AuditRow[], log: ModelLog): AuditRow[] {
  const [birth, next] = rows
  if (birth === undefined || next === undefined || next.seq === BIRTH_SEQ + 1) return [...rows]
  return [...log.rows.slice(0, next.seq - 1), ...rows.slice(1)]
}

function judgeChain(side: string, rows: readonly AuditRow[], tenantId: string): void {
  const verifier = new ChainVerifier(tenantId)
  for (const row of rows) {
    const failure = verifier.feed(row)
    if (failure !== null) throw new Violation(`${side}_chain_broken`, `${failure.code} at ${failure.seq}`)
  }
}

function judgePromises(book: readonly AuditRow[], log: readonly AuditRow[], witness: Witness): void {
  const kept = new Map([...log, ...book].map((row) => [row.rowId, row]))
  for (const { place, row } of witness.promised) {
    const found = kept.get(row.rowId)
    if (found === undefined) throw new Violation('acknowledged_row_lost', `row ${place.seq}`)
    if (found.seq !== place.seq || !equalConstantTime(found.hash, place.hash)) {
      throw new Violation('acknowledged_row_changed', `row ${place.seq}`)
    }
  }
}

/** Without anyone asking for anything, what was appended has reached Postgres. */
export function judgeDrained(life: Life, log: ModelLog): void {
  const { seq, flushedSeq } = readBook(life).head
  if (log.rows.length !== seq || flushedSeq !== seq) {
    throw new Violation('not_drained', `ledger ${seq}, fed ${flushedSeq}, Postgres ${log.rows.length}`)
  }
}

/** What a run must come to once faults have stopped and time has passed; then one more append was tried. */
export function judgeEnd(life: Life, log: ModelLog, witness: Witness, end: End): Ending {
  judgeAlways(life, log, witness)
  const { head } = readBook(life)
  const incidents = log.incidents.filter(({ kind }) => kind !== 'budget_exceeded')
  const names = log.incidents.map(({ kind, seq }) => `${kind} ${seq}`)
  if (!witness.ledgerSetBack && new Set(names).size < names.length) throw new Violation('incident_twice', names.join())
  const raised = (kind: string, seq: number) => incidents.some((one) => one.kind === kind && one.seq === seq)

  if (hasForeignRows(life, log)) {
    if (!head.behind) throw new Violation('behind_unnoticed', `ledger ${head.seq}, Postgres ${log.rows.length}`)
    if (!incidents.some(({ kind }) => kind === 'ledger_behind')) throw new Violation('behind_unsaid', names.join())
    if (end.lastAnswer !== 'ledger_behind') throw new Violation('behind_and_appending', end.lastAnswer)
    return 'ended_ledger_behind'
  }
  if (head.behind) throw new Violation('behind_falsely', `ledger ${head.seq}, Postgres ${log.rows.length}`)
  if (end.lastAnswer !== 'ok') throw new Violation('append_refused', end.lastAnswer)
  const stored = log.rows.length
  if (stored < head.flushedSeq) {
    if (!raised('audit_rows_gone', stored + 1)) throw new Violation('loss_unsaid', `from row ${stored + 1}`)
    return 'ended_audit_rows_gone'
  }
  if (stored !== head.seq) throw new Violation('not_drained', `ledger ${head.seq}, Postgres ${stored}`)
  if (!end.setBack && incidents.length > 0) throw new Violation('false_alarm', names.join())
  return 'ended_in_agreement'
}

export type Ending = 'ended_in_agreement' | 'ended_ledger_behind' | 'ended_audit_rows_gone'
export type End = {
  /** Some side was set back in this run. */
  readonly setBack: boolean
  /** `ok`, or the code with which the last append was refused. */
  readonly lastAnswer: string
}

/** A row in Postgres that the ledger does not have, or has otherwise: it lost history. */
export function hasForeignRows(life: Life, log: ModelLog): boolean {
  return life.inspect(({ book }) => {
    const { seq } = book.head()
    return log.rows.some((row) => {
      const ours = book.hashOf(row.seq)
      return row.seq > seq || (ours !== null && !equalConstantTime(ours, row.hash))
    })
  })
}
