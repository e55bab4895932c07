import { describe, expect, it } from 'vitest'
import { toHex } from '../bytes.ts'
import { chainedRows } from './row.fixture.ts'
import { type AuditRow, epochOf, genesisHash, hashRow, rowHashInput } from './row.ts'

const tenantId = crypto.randomUUID()

function firstRow(): AuditRow {
  const [row] = chainedRows(tenantId, 1)
  if (row === undefined) throw new Error('no row')
  return row
}

function flipLastBit(bytes: Uint8Array): Uint8Array {
  return bytes.with(-1, (bytes.at(-1) ?? 0) ^ 1)
}

describe('the hash of a row', () => {
  it('changes with every field (L2)', () => {
    const row = firstRow()
    const changed: AuditRow[] = [
      { ...row, tenantId: crypto.randomUUID() },
      { ...row, rowId: crypto.randomUUID() },
      { ...row, epoch: row.epoch + 1 },
      { ...row, seq: row.seq + 1 },
      { ...row, at: row.at + 1 },
      { ...row, keyVersion: 2 },
      { ...row, previousHash: flipLastBit(row.previousHash) },
      { ...row, actorTag: flipLastBit(row.actorTag) },
      { ...row, actionTag: row.actorTag, actorTag: row.actionTag },
      { ...row, actionTag: flipLastBit(row.actionTag) },
      { ...row, targetTag: flipLastBit(row.targetTag) },
      { ...row, sealed: flipLastBit(row.sealed) },
      { ...row, sealed: row.sealed.subarray(0, -1) },
    ]
    const hashes = [row, ...changed].map((each) => toHex(hashRow(each)))
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  it('covers 215 bytes and the sealed content', () => {
    const row = firstRow()
    expect(rowHashInput(row)).toHaveLength(215 + row.sealed.length)
  })

  it('is refused for what no row can hold', () => {
    const row = firstRow()
    for (const wrong of [
      { seq: -1 },
      { seq: 2 ** 53 },
      { at: 0.5 },
      { actorTag: new Uint8Array(31) },
      { rowId: 'x' },
    ]) {
      expect(() => hashRow({ ...row, ...wrong })).toThrow(RangeError)
    }
  })
})

it('gives each tenant its own start', () => {
  expect(genesisHash(tenantId)).toEqual(genesisHash(tenantId))
  expect(genesisHash(tenantId)).not.toEqual(genesisHash(crypto.randomUUID()))
})

it('takes the epoch from the month in UTC', () => {
  expect(epochOf(Date.parse('2026-12-31T23:59:59.999Z'))).toBe(202612)
  expect(epochOf(Date.parse('2027-01-01T00:00:00.000Z'))).toBe(202701)
})
