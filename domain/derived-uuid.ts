import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToUuid } from './bytes.ts'

/** A version 8 UUID (RFC 9562 section 5.8) over a hash. */
export function derivedUuid(over: Uint8Array): string {
  const bytes = sha256(over).slice(0, 16)
  const [version = 0, variant = 0] = [bytes[6], bytes[8]]
  bytes[6] = (version & 0x0f) | 0x80
  bytes[8] = (variant & 0x3f) | 0x80
  return bytesToUuid(bytes)
}
