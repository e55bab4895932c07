import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChainVerifier } from './chain.ts'
import { chainedRows, rehash } from './row.fixture.ts'
import type { AuditRow } from './row.ts'

fc.configureGlobal({ seed: 20261124 })

const tenantId = crypto.randomUUID()
const rows = chainedRows(tenantId, 40)

function rowAt(seq: number): AuditRow {
  const row = rows[seq - 1]
  if (row === undefined) throw new Error('no such row')
  return row
}

function judge(given: readonly AuditRow[]) {
  const verifier = new ChainVerifier(tenantId)
  for (const row of given) verifier.feed(row)
  return verifier.failure
}

describe('a chain', () => {
  it('holds as it was written, across months (L2)', () => {
    const verifier = new ChainVerifier(tenantId)
    for (const row of rows) expect(verifier.feed(row)).toBeNull()
    expect(new Set(rows.map((row) => row.epoch)).size).toBe(2)
    expect(verifier.head).toEqual({ seq: 40, hash: rowAt(40).hash, at: rowAt(40).at })
  })

  it('breaks where a row was deleted, repeated or moved (L2)', () => {
    const seqs = fc.tuple(fc.integer({ min: 1, max: 39 }), fc.integer({ min: 1, max: 39 }))
    fc.assert(
      fc.property(seqs, ([a, b]) => {
        expect(judge(rows.toSpliced(a - 1, 1))).toEqual({ seq: a, code: 'sequence_gap' })
        expect(judge(rows.toSpliced(a, 0, rowAt(a)))).toEqual({ seq: a + 1, code: 'sequence_gap' })
        const swapped = rows.with(a - 1, rowAt(b)).with(b - 1, rowAt(a))
        expect(judge(swapped)).toEqual(a === b ? null : { seq: Math.min(a, b), code: 'sequence_gap' })
      }),
    )
  })

  it('breaks at an edited row, and behind one whose hash was recomputed (L2)', () => {
    for (const edit of [{ at: 1 }, { keyVersion: 9 }, { epoch: 202612 }, { sealed: new Uint8Array(285) }]) {
      const edited = { ...rowAt(7), ...edit }
      expect(judge(rows.with(6, edited))).toEqual({ seq: 7, code: 'hash_mismatch' })
    }
    const recomputed = rehash({ ...rowAt(7), sealed: new Uint8Array(285) })
    expect(judge(rows.with(6, recomputed))).toEqual({ seq: 8, code: 'previous_hash_mismatch' })
  })

  it('breaks where rows were renumbered over a hole', () => {
    const renumbered = rehash({ ...rowAt(8), seq: 7 })
    expect(judge([...rows.slice(0, 6), renumbered])).toEqual({ seq: 7, code: 'previous_hash_mismatch' })
  })

  it('takes no other tenant’s rows, wrong month or time that runs back, even well hashed', () => {
    const { previousHash, ...rest } = rowAt(7)
    const forged = (changes: Partial<AuditRow>) => [...rows.slice(0, 6), rehash({ ...rest, previousHash, ...changes })]
    expect(judge(forged({ tenantId: crypto.randomUUID() }))).toEqual({ seq: 7, code: 'tenant_mismatch' })
    expect(judge(forged({ epoch: 202612 }))).toEqual({ seq: 7, code: 'epoch_mismatch' })
    expect(judge(forged({ at: rowAt(6).at - 1 }))).toEqual({ seq: 7, code: 'time_reversed' })
  })

  it('has no hash for values that no row can hold', () => {
    expect(judge([{ ...rowAt(1), keyVersion: -1 }])).toEqual({ seq: 1, code: 'hash_mismatch' })
    expect(judge([{ ...rowAt(1), targetTag: new Uint8Array() }])).toEqual({ seq: 1, code: 'hash_mismatch' })
  })

  it('keeps its first failure', () => {
    const verifier = new ChainVerifier(tenantId)
    verifier.feed(rowAt(2))
    expect(verifier.feed(rowAt(1))).toEqual({ seq: 1, code: 'sequence_gap' })
  })

  it('continues from a place that is trusted', () => {
    const { seq, hash, at } = rowAt(20)
    const verifier = new ChainVerifier(tenantId, { seq, hash, at })
    for (const row of rows.slice(20)) expect(verifier.feed(row)).toBeNull()
  })
})
