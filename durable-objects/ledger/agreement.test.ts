import { describe, expect, it } from 'vitest'
import { findDisagreement, type LedgerView } from './agreement.ts'

const hash = (of: number) => new Uint8Array(32).fill(of)
const ledger = (seq: number, flushedSeq: number, keptFrom = 1): LedgerView => ({
  seq,
  flushedSeq,
  hashOf: (of) => (of >= keptFrom && of <= seq ? hash(of) : null),
})
const stored = (seq: number, bytes = hash(seq)) => ({ seq, hash: bytes })

describe('L2 the ledger and Postgres, compared', () => {
  it('agree when Postgres has what it acknowledged', () => {
    expect(findDisagreement(stored(5), ledger(8, 5))).toBeNull()
    expect(findDisagreement(null, ledger(0, 0))).toBeNull()
  })

  it('agree when an acknowledgement was lost: Postgres has more of our own rows', () => {
    expect(findDisagreement(stored(7), ledger(8, 5))).toBeNull()
  })

  it('tell a ledger that lost history by a row that only Postgres has', () => {
    expect(findDisagreement(stored(9), ledger(8, 8))).toEqual({ kind: 'ledger_behind', seq: 9 })
    expect(findDisagreement(stored(1), ledger(0, 0))).toEqual({ kind: 'ledger_behind', seq: 1 })
  })

  it('tell a ledger that lost history and went on by another row at an unacknowledged number', () => {
    expect(findDisagreement(stored(7, hash(99)), ledger(8, 5))).toEqual({ kind: 'ledger_behind', seq: 7 })
  })

  it('tell acknowledged rows that are gone, from the first one on', () => {
    expect(findDisagreement(stored(3), ledger(8, 5))).toEqual({ kind: 'audit_rows_gone', seq: 4 })
    expect(findDisagreement(null, ledger(8, 5))).toEqual({ kind: 'audit_rows_gone', seq: 1 })
  })

  it('tell an acknowledged row that was rewritten', () => {
    expect(findDisagreement(stored(5, hash(99)), ledger(8, 5))).toEqual({ kind: 'audit_row_rewritten', seq: 5 })
  })

  it('leave to the verifier what the ledger keeps no more, since months leave Postgres by retention', () => {
    expect(findDisagreement(null, ledger(8, 8, 9))).toBeNull()
    expect(findDisagreement(stored(6, hash(99)), ledger(8, 8, 9))).toBeNull()
  })
})
