import { epochOf, type SealedRow } from '../../domain/audit/row.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { AppendAnswer, Appended, AppendRequest, Door } from '../../domain/contracts/durable-objects.ts'
import { Violation } from './violation.ts'

const HOUR_MS = 3_600_000
const BIRTH_SEQ = 1

/** `again` and `altered` name a row that was sent before, the second with other content. */
export type Asked = {
  readonly request: AppendRequest
  readonly kind: 'fresh' | 'again' | 'altered'
}
/** What was so from when it was asked until it was answered. */
export type Circumstances = {
  /** This life had seen that Postgres has rows that it does not, or it had every chance to. */
  readonly knownBehind: boolean
  /** A freeze had been confirmed and none was lifted. */
  readonly frozen: boolean
}
type Promised = { readonly place: Appended; readonly row: SealedRow }

/** Everything that the ledger has ever told anyone, and what it may therefore never say or do again. */
export class Witness {
  readonly #promised = new Map<string, Promised>()
  readonly #rowAt = new Map<number, string>()
  readonly #shares = new Map<string, number>()
  readonly #granted = new Map<string, number>()
  readonly #budgets: Readonly<Record<Door, number>>
  #releasedSinceBirth = false
  #ledgerSetBack = false
  /** Budgets begin anew with a lifted freeze and with lost history. */
  budgetsCounted = true

  constructor(budgets: Readonly<Record<Door, number>>) {
    this.#budgets = budgets
  }

  get promised(): readonly Promised[] {
    return [...this.#promised.values()]
  }

  get ledgerSetBack(): boolean {
    return this.#ledgerSetBack
  }

  /** The ledger's disk was replaced by an older one: what it had told since then it no longer knows. */
  forgetAfter(seq: number): void {
    this.#ledgerSetBack = true
    this.budgetsCounted = false
    this.#releasedSinceBirth = false
    for (const [rowId, { place }] of this.#promised) {
      if (place.seq <= seq) continue
      this.#promised.delete(rowId)
      this.#rowAt.delete(place.seq)
      this.#shares.delete(rowId)
    }
  }

  learn(asked: Asked, circumstances: Circumstances, answer: AppendAnswer): void {
    if ('seq' in answer) this.#learnPlace(asked, circumstances, answer)
    if (answer.ok) {
      if (answer.share !== null) this.#learnShare(asked, circumstances, answer)
      return
    }
    if (!this.#isExpected(answer.code, asked)) {
      throw new Violation('refused_without_reason', `${answer.code} for a ${asked.kind} row`)
    }
  }

  #learnPlace({ request }: Asked, { knownBehind }: Circumstances, answer: AppendAnswer & Appended): void {
    const { seq, epoch, hash, at } = answer
    const { row } = request
    const before = this.#promised.get(row.rowId)
    if (knownBehind) throw new Violation('numbered_on_lost_history', `row ${seq}`)
    if (epoch !== epochOf(at)) throw new Violation('epoch_wrong', `row ${seq}`)
    if (before !== undefined && (before.place.seq !== seq || !equalConstantTime(before.place.hash, hash))) {
      throw new Violation('row_renumbered', `${before.place.seq} became ${seq}`)
    }
    if (before !== undefined && !equalConstantTime(before.row.sealed, row.sealed)) {
      throw new Violation('content_replaced', `row ${seq}`)
    }
    const other = this.#rowAt.get(seq)
    if (other !== undefined && other !== row.rowId) throw new Violation('number_given_twice', `row ${seq}`)
    this.#promised.set(row.rowId, before ?? { place: { seq, epoch, hash, at }, row })
    this.#rowAt.set(seq, row.rowId)
  }

  #learnShare({ request }: Asked, { frozen }: Circumstances, { seq, at }: Appended): void {
    const { row, release } = request
    if (release === undefined) throw new Violation('share_unasked', `row ${seq}`)
    if (frozen) throw new Violation('share_while_frozen', `row ${seq}`)
    const shares = (this.#shares.get(row.rowId) ?? 0) + 1
    this.#shares.set(row.rowId, shares)
    if (seq === BIRTH_SEQ) {
      if (shares > 1 && this.#releasedSinceBirth) throw new Violation('share_twice', 'the row of the birth')
      return
    }
    this.#releasedSinceBirth = true
    if (shares > 1) throw new Violation('share_twice', `row ${seq}`)
    const key = `${release.door} ${Math.floor(at / HOUR_MS)}`
    const granted = (this.#granted.get(key) ?? 0) + 1
    this.#granted.set(key, granted)
    if (this.budgetsCounted && granted > this.#budgets[release.door]) throw new Violation('over_budget', key)
  }

  #isExpected(code: Extract<AppendAnswer, { ok: false }>['code'], { kind, request }: Asked): boolean {
    switch (code) {
      case 'tenant_frozen':
      case 'budget_exceeded':
        return request.release !== undefined
      case 'already_released':
        return kind !== 'fresh' && request.release !== undefined
      case 'row_conflict':
        return kind !== 'fresh' && !this.#isPromised(request.row)
      case 'ledger_behind':
        return this.#ledgerSetBack
      case 'tenant_mismatch':
      case 'ledger_full':
      case 'ledger_lost':
      case 'ledger_unproven':
        return false
    }
  }

  #isPromised({ rowId, sealed }: SealedRow): boolean {
    const before = this.#promised.get(rowId)
    return before !== undefined && equalConstantTime(before.row.sealed, sealed)
  }
}
