import { sha256 } from '@noble/hashes/sha2.js'
import { concat, lengthPrefixed, putU32be, putU64be, utf8, uuidToBytes } from '../bytes.ts'

/** What the vault hands to the ledger: content sealed, members' filters as tags. */
export type SealedRow = {
  readonly tenantId: string
  readonly rowId: string
  readonly keyVersion: number
  readonly actorTag: Uint8Array
  readonly actionTag: Uint8Array
  readonly targetTag: Uint8Array
  readonly sealed: Uint8Array
}

/** A row at its place in the tenant's chain. */
export type AuditRow = SealedRow & {
  /** YYYYMM of `at` in UTC. */
  readonly epoch: number
  /** From 1, without gaps. */
  readonly seq: number
  /** Unix milliseconds. */
  readonly at: number
  readonly previousHash: Uint8Array
  readonly hash: Uint8Array
}

/** A row without its place: what a door sealed, and can be appended again. */
export function sealedPart({
  tenantId,
  rowId,
  keyVersion,
  actorTag,
  actionTag,
  targetTag,
  sealed,
}: SealedRow): SealedRow {
  return { tenantId, rowId, keyVersion, actorTag, actionTag, targetTag, sealed }
}

export const HASH_BYTES = 32
const ROW_LABEL = lengthPrefixed(utf8('flarewatch/audit-row/v1'))
const GENESIS_LABEL = lengthPrefixed(utf8('flarewatch/audit-genesis/v1'))

/** What the first row of a tenant has for a previous hash. */
export function genesisHash(tenantId: string): Uint8Array {
  return sha256(concat(GENESIS_LABEL, uuidToBytes(tenantId)))
}

/** Synchronous on purpose: the ledger may not await between reading its head and writing it. */
export function hashRow(row: Omit<AuditRow, 'hash'>): Uint8Array {
  return sha256(rowHashInput(row))
}

export function rowHashInput(row: Omit<AuditRow, 'hash'>): Uint8Array {
  const input = new Uint8Array(rowInputBytes(row))
  layOutRow(uuidToBytes(row.tenantId), { ...row, rowId: uuidToBytes(row.rowId) }, input)
  return input
}

/** A row as its hash sees it, but for the tenant: ids as their 16 bytes. */
export type HashedFields = Omit<AuditRow, 'tenantId' | 'rowId' | 'hash'> & { readonly rowId: Uint8Array }

const UUID_BYTES = 16
const FIXED_BYTES = ROW_LABEL.length + 2 * UUID_BYTES + 4 + 8 + 8 + 4 + 4 * HASH_BYTES + 4

/** Length of a row's hash input. */
export function rowInputBytes({ sealed }: { readonly sealed: Uint8Array }): number {
  return FIXED_BYTES + sealed.length
}

/**
 * Writes what a row's hash covers to the start of `into`, which has room for it; so that who walks many rows needs no buffer for
 * each. All fields but the label and the sealed bytes have a fixed length, so the input has one reading.
 */
export function layOutRow(tenantId: Uint8Array, row: HashedFields, into: Uint8Array): void {
  let offset = 0
  const put = (bytes: Uint8Array, length: number) => {
    if (bytes.length !== length) throw new RangeError(`a field of ${bytes.length} bytes where ${length} belong`)
    into.set(bytes, offset)
    offset += length
  }
  const putU32 = (value: number) => {
    putU32be(into, offset, value)
    offset += 4
  }
  const putU64 = (value: number) => {
    putU64be(into, offset, value)
    offset += 8
  }
  put(ROW_LABEL, ROW_LABEL.length)
  put(tenantId, UUID_BYTES)
  putU32(row.epoch)
  putU64(row.seq)
  put(row.rowId, UUID_BYTES)
  putU64(row.at)
  putU32(row.keyVersion)
  put(row.previousHash, HASH_BYTES)
  put(row.actorTag, HASH_BYTES)
  put(row.actionTag, HASH_BYTES)
  put(row.targetTag, HASH_BYTES)
  putU32(row.sealed.length)
  put(row.sealed, row.sealed.length)
}

export function epochOf(at: number): number {
  const date = new Date(at)
  return date.getUTCFullYear() * 100 + date.getUTCMonth() + 1
}
