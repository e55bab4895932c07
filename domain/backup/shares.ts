import { HASH_BYTES } from '../audit/row.ts'
import { concat, u64be, zeroize } from '../bytes.ts'
import { KEY_BYTES } from '../envelope/primitives.ts'
import { failure, type Result, success } from '../result.ts'

export type Shares = { readonly audit: Uint8Array; readonly release: Uint8Array }

/** What a tenant's ledger alone knows: without it nothing of the tenant opens, and nothing says where its chain stood. */
export type LedgerSecrets = {
  readonly shares: Shares
  /** The newest row at the time of the backup, and the hash of the first. */
  readonly seq: number
  readonly hash: Uint8Array
  readonly birthHash: Uint8Array
}

const VERSION = 0x01
const SHARES_BYTES = 2 * KEY_BYTES
const SEQ_BYTES = 8
const SECRETS_BYTES = 1 + SHARES_BYTES + SEQ_BYTES + 2 * HASH_BYTES

export function encodeSecrets({ shares, seq, hash, birthHash }: LedgerSecrets): Uint8Array {
  return concat(Uint8Array.of(VERSION), encodeShares(shares), u64be(seq), hash, birthHash)
}

/** The bytes are copied out of `bytes`, which the caller may then zero. */
export function decodeSecrets(bytes: Uint8Array): Result<LedgerSecrets, 'secrets_malformed'> {
  if (bytes.length !== SECRETS_BYTES || bytes[0] !== VERSION) return failure('secrets_malformed')
  const shares = decodeShares(bytes.subarray(1, 1 + SHARES_BYTES))
  if (!shares.ok) return failure('secrets_malformed')
  const rest = bytes.subarray(1 + SHARES_BYTES)
  const seq = Number(new DataView(rest.buffer, rest.byteOffset).getBigUint64(0))
  const hash = rest.slice(SEQ_BYTES, SEQ_BYTES + HASH_BYTES)
  const birthHash = rest.slice(SEQ_BYTES + HASH_BYTES)
  return Number.isSafeInteger(seq)
    ? success({ shares: shares.value, seq, hash, birthHash })
    : failure('secrets_malformed')
}

export function encodeShares({ audit, release }: Shares): Uint8Array {
  return concat(audit, release)
}

export function decodeShares(bytes: Uint8Array): Result<Shares, 'shares_malformed'> {
  if (bytes.length !== SHARES_BYTES) return failure('shares_malformed')
  return success({ audit: bytes.slice(0, KEY_BYTES), release: bytes.slice(KEY_BYTES) })
}

export function zeroizeShares({ audit, release }: Shares): void {
  zeroize(audit)
  zeroize(release)
}
