import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToUuid, utf8 } from '../../domain/bytes.ts'

/** Bytes that look random and are the same at every run. Never a key of anything but a vector. */
export function fixedBytes(label: string, length = 32): Uint8Array {
  return sha256(utf8(`flarewatch vector: ${label}`)).slice(0, length)
}

export function fixedUuid(label: string): string {
  const bytes = fixedBytes(`uuid ${label}`, 16)
  bytes[6] = 0x40 | ((bytes[6] ?? 0) & 0x0f)
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f)
  return bytesToUuid(bytes)
}

export const TENANT = fixedUuid('tenant')
export const OTHER_TENANT = fixedUuid('other tenant')
export const CREDENTIAL = fixedUuid('credential')
export const LOG_NAME = 'flarewatch.example/log'
