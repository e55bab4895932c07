import { sha256 } from '@noble/hashes/sha2.js'
import { concat, lengthPrefixed, u32be, u64be, utf8, uuidToBytes } from '../bytes.ts'

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

/** All fields but the label and the sealed bytes have a fixed length, so the input has one reading. */
export function rowHashInput(row: Omit<AuditRow, 'hash'>): Uint8Array {
  const hashes = [row.previousHash, row.actorTag, row.actionTag, row.targetTag]
  if (hashes.some((hash) => hash.length !== HASH_BYTES))
    throw new RangeError(`hashes and tags have ${HASH_BYTES} bytes`)
  return concat(
    ROW_LABEL,
    uuidToBytes(row.tenantId),
    u32be(row.epoch),
    u64be(row.seq),
    uuidToBytes(row.rowId),
    u64be(row.at),
    u32be(row.keyVersion),
    ...hashes,
    lengthPrefixed(row.sealed),
  )
}

export function epochOf(at: number): number {
  const date = new Date(at)
  return date.getUTCFullYear() * 100 + date.getUTCMonth() + 1
}
