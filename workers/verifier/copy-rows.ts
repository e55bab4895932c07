import { HASH_BYTES, type HashedFields } from '../../domain/audit/row.ts'
import { concat } from '../../domain/bytes.ts'

/** A stored row as it came over the wire: its bytes are views into what was read. */
export type CopiedRow = HashedFields & { readonly tenantId: string; readonly hash: Uint8Array }
/** In the order that the decoder expects. */
export const COPIED_COLUMNS = [
  'epoch',
  'seq',
  'row_id',
  'at',
  'key_version',
  'previous_hash',
  'actor_tag',
  'action_tag',
  'target_tag',
  'sealed',
  'hash',
] as const

/** PostgreSQL manual, COPY, "Binary Format": signature, flags, length of the extension. */
const SIGNATURE = Uint8Array.of(0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00)
const HEADER_BYTES = SIGNATURE.length + 8
const TRAILER = -1
const NULL = -1
/** Larger than any row that the table takes: what says that it is longer is no row. */
const MAX_FIELD_BYTES = 1 << 20

const UUID_BYTES = 16
const MICROSECONDS = 1000
/** 2000-01-01, from which Postgres counts, in Unix milliseconds. */
const POSTGRES_EPOCH_MS = 946_684_800_000
const U32_LIMIT = 2 ** 32

export class CopyMalformed extends Error {}

/**
 * Decodes COPY ... TO STDOUT (FORMAT binary) of the audit log, in whatever pieces it comes. What is no COPY stream throws; a row
 * whose fields cannot be an audit row's is handed on as null, since a superuser can have stored it.
 */
export class CopyDecoder {
  readonly #tenantId: string
  readonly #take: (row: CopiedRow | null) => void
  readonly #tuple = new Tuple()
  #pending = new Uint8Array()
  #started = false
  #ended = false

  constructor(tenantId: string, take: (row: CopiedRow | null) => void) {
    this.#tenantId = tenantId
    this.#take = take
  }

  write(chunk: Uint8Array): void {
    const bytes = this.#pending.length === 0 ? chunk : concat(this.#pending, chunk)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let offset = this.#started ? 0 : this.#readHeader(bytes, view)
    while (this.#started && !this.#ended) {
      const end = this.#readTuple(bytes, view, offset)
      if (end === null) break
      offset = end
    }
    if (this.#ended && offset < bytes.length) throw new CopyMalformed('bytes after the trailer')
    // A copy, so that a few bytes do not keep a whole chunk.
    this.#pending = bytes.slice(offset)
  }

  /** What breaks off before its trailer is not all of it. */
  end(): void {
    if (!this.#ended) throw new CopyMalformed('the stream ended before its trailer')
  }

  #readHeader(bytes: Uint8Array, view: DataView): number {
    if (bytes.length < HEADER_BYTES) return 0
    if (!SIGNATURE.every((byte, index) => byte === bytes[index])) throw new CopyMalformed('not a binary COPY')
    if (view.getUint32(SIGNATURE.length) !== 0 || view.getUint32(SIGNATURE.length + 4) !== 0) {
      throw new CopyMalformed('flags or an extension that nobody asked for')
    }
    this.#started = true
    return HEADER_BYTES
  }

  /** The offset behind the tuple; null when it is not all there yet. */
  #readTuple(bytes: Uint8Array, view: DataView, start: number): number | null {
    if (bytes.length < start + 2) return null
    const count = view.getInt16(start)
    if (count === TRAILER) {
      this.#ended = true
      return start + 2
    }
    if (count !== COPIED_COLUMNS.length) throw new CopyMalformed(`a tuple of ${count} fields`)
    const end = this.#tuple.measure(view, start + 2)
    if (end === null) return null
    this.#take(this.#tuple.row(this.#tenantId, bytes, view))
    return end
  }
}

const FIELDS = COPIED_COLUMNS.length

/** Where the fields of one tuple lie. One object for all tuples: a log has millions. */
class Tuple {
  readonly #starts = new Int32Array(FIELDS)
  readonly #lengths = new Int32Array(FIELDS)

  /** The offset behind the last field; null when it is not all there yet. */
  measure(view: DataView, from: number): number | null {
    let offset = from
    for (let index = 0; index < FIELDS; index += 1) {
      if (view.byteLength < offset + 4) return null
      const length = view.getInt32(offset)
      if (length < NULL || length > MAX_FIELD_BYTES) throw new CopyMalformed(`a field of ${length} bytes`)
      this.#starts[index] = offset + 4
      this.#lengths[index] = length
      offset += 4 + Math.max(length, 0)
    }
    return view.byteLength < offset ? null : offset
  }

  /** By place, as `COPIED_COLUMNS` has them; null for what no honest writer can have stored. */
  row(tenantId: string, bytes: Uint8Array, view: DataView): CopiedRow | null {
    const seq = this.#int64(view, 1)
    const epoch = this.#int32(view, 0)
    const rowId = this.#part(bytes, 2, UUID_BYTES)
    const at = this.#milliseconds(view, 3)
    const keyVersion = this.#int32(view, 4)
    const previousHash = this.#part(bytes, 5, HASH_BYTES)
    const actorTag = this.#part(bytes, 6, HASH_BYTES)
    const actionTag = this.#part(bytes, 7, HASH_BYTES)
    const targetTag = this.#part(bytes, 8, HASH_BYTES)
    const sealed = this.#part(bytes, 9, this.#lengths[9] ?? NULL)
    const hash = this.#part(bytes, 10, HASH_BYTES)
    // The lengths matter: the hash covers the tags side by side, so a byte moved from one to the next would not change it.
    if (
      epoch === null ||
      seq === null ||
      rowId === null ||
      at === null ||
      keyVersion === null ||
      previousHash === null ||
      actorTag === null ||
      actionTag === null ||
      targetTag === null ||
      sealed === null ||
      hash === null
    ) {
      return null
    }
    return { tenantId, epoch, seq, rowId, at, keyVersion, previousHash, actorTag, actionTag, targetTag, sealed, hash }
  }

  #part(bytes: Uint8Array, index: number, length: number): Uint8Array | null {
    const start = this.#starts[index] ?? 0
    return length >= 0 && this.#lengths[index] === length ? bytes.subarray(start, start + length) : null
  }

  #int32(view: DataView, index: number): number | null {
    const value = this.#lengths[index] === 4 ? view.getInt32(this.#starts[index] ?? 0) : NULL
    return value < 0 ? null : value
  }

  #int64(view: DataView, index: number): number | null {
    if (this.#lengths[index] !== 8) return null
    const start = this.#starts[index] ?? 0
    const value = view.getInt32(start) * U32_LIMIT + view.getUint32(start + 4)
    return Number.isSafeInteger(value) ? value : null
  }

  /** Microseconds since 2000 as they are stored. The hash covers milliseconds only, and the column could hide more. */
  #milliseconds(view: DataView, index: number): number | null {
    const microseconds = this.#int64(view, index)
    if (microseconds === null || microseconds % MICROSECONDS !== 0) return null
    const at = microseconds / MICROSECONDS + POSTGRES_EPOCH_MS
    return at < 0 ? null : at
  }
}
