import { describe, expect, it } from 'vitest'
import { chainedRows, rehash } from '../../domain/audit/row.fixture.ts'
import { type AuditRow, hashRow } from '../../domain/audit/row.ts'
import { concat, randomBytes, u32be, uuidToBytes } from '../../domain/bytes.ts'
import { type CopiedRow, CopyDecoder, CopyMalformed } from './copy-rows.ts'
import { RowHasher } from './row-hasher.ts'

const TENANT = '3f0a6e2c-6f2a-4f6e-9a61-1d2c3b4a5e6f'
const HEADER = concat(
  Uint8Array.from('PGCOPY\n\xff\r\n\0', (character) => character.charCodeAt(0)),
  u32be(0),
  u32be(0),
)
const TRAILER = Uint8Array.of(0xff, 0xff)
const rows = chainedRows(TENANT, 5)
const [sole] = rows
if (sole === undefined) throw new Error('no row')

describe('binary COPY of stored rows', () => {
  it('gives the rows, wherever the stream is cut', () => {
    const stream = concat(HEADER, ...rows.map((row) => tuple(fieldsOf(row))), TRAILER)
    for (const step of [1, 2, 3, 7, 19, 64, 505, stream.length]) {
      const read: (CopiedRow | null)[] = []
      const decoder = new CopyDecoder(TENANT, (row) => read.push(row))
      for (let at = 0; at < stream.length; at += step) decoder.write(stream.subarray(at, at + step))
      decoder.end()
      expect(read).toEqual(rows.map((row) => ({ ...row, rowId: uuidToBytes(row.rowId) })))
    }
  })

  it('gives what hashes as the rows that were stored do', () => {
    const hasher = new RowHasher(TENANT)
    const long = rehash({ ...sole, sealed: randomBytes(9000) })
    for (const row of [...rows, long]) {
      const [copied] = decode(concat(HEADER, tuple(fieldsOf(row)), TRAILER))
      expect(copied && new Uint8Array(hasher.hash(copied))).toEqual(hashRow(row))
    }
  })

  const sound = fieldsOf(sole)
  it.each<[string, Partial<Fields>]>([
    ['a time that hides microseconds', { at: int64(microseconds(sole.at) + 7n) }],
    ['a time that is infinite', { at: int64(2n ** 63n - 1n) }],
    ['a time that a number cannot hold to the microsecond', { at: int64(2n ** 53n + 1000n) }],
    ['a time before 1970', { at: int64(-(2n ** 50n)) }],
    ['a tag that gave a byte to the next', { actor_tag: sole.actorTag.subarray(1) }],
    ['a hash that is too long', { hash: concat(sole.hash, Uint8Array.of(0)) }],
    ['no previous hash', { previous_hash: null }],
    ['no sealed content', { sealed: null }],
    ['a negative key version', { key_version: u32be(0xffffffff) }],
    ['a number that is no safe integer', { seq: int64(2n ** 60n) }],
  ])('hands on a row with %s as one that nobody honest stored', (_what, changed) => {
    expect(decode(concat(HEADER, tuple({ ...sound, ...changed }), TRAILER))).toEqual([null])
  })

  const whole = concat(HEADER, tuple(sound), TRAILER)
  it.each<[string, Uint8Array]>([
    ['another signature', concat(Uint8Array.of(0), whole.subarray(1))],
    ['flags', concat(whole.subarray(0, 11), u32be(1 << 16), whole.subarray(15))],
    ['a tuple of another width', concat(HEADER, Uint8Array.of(0, 10), tuple(sound).subarray(2), TRAILER)],
    ['a field of a length that no field has', concat(HEADER, Uint8Array.of(0, 11), u32be(0x7fffffff), TRAILER)],
    ['bytes after its end', concat(whole, Uint8Array.of(0))],
    ['no end', whole.subarray(0, -1)],
    ['a tuple that breaks off', whole.subarray(0, -20)],
    ['nothing', new Uint8Array()],
  ])('refuses a stream with %s', (_what, stream) => {
    expect(() => decode(stream)).toThrow(CopyMalformed)
  })
})

function decode(stream: Uint8Array): (CopiedRow | null)[] {
  const read: (CopiedRow | null)[] = []
  const decoder = new CopyDecoder(TENANT, (row) => read.push(row))
  decoder.write(stream)
  decoder.end()
  return read
}

type Fields = Record<
  | 'epoch'
  | 'seq'
  | 'row_id'
  | 'at'
  | 'key_version'
  | 'previous_hash'
  | 'actor_tag'
  | 'action_tag'
  | 'target_tag'
  | 'sealed'
  | 'hash',
  Uint8Array | null
>

/** As Postgres sends them: COPY's "Binary Format", each value in its type's binary form. */
function fieldsOf(row: AuditRow): Fields {
  return {
    epoch: u32be(row.epoch),
    seq: int64(BigInt(row.seq)),
    row_id: uuidToBytes(row.rowId),
    at: int64(microseconds(row.at)),
    key_version: u32be(row.keyVersion),
    previous_hash: row.previousHash,
    actor_tag: row.actorTag,
    action_tag: row.actionTag,
    target_tag: row.targetTag,
    sealed: row.sealed,
    hash: row.hash,
  }
}

function tuple(fields: Fields): Uint8Array {
  const encoded = Object.values(fields).map((value) =>
    value === null ? u32be(0xffffffff) : concat(u32be(value.length), value),
  )
  return concat(Uint8Array.of(0, encoded.length), ...encoded)
}

function int64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, value)
  return bytes
}

function microseconds(unixMs: number): bigint {
  return BigInt(unixMs - Date.UTC(2000, 0)) * 1000n
}
