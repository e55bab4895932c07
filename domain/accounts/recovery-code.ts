import { sha256 } from '@noble/hashes/sha2.js'
import { lengthPrefixed, randomBytes, toBase64Url, utf8, uuidToBytes, zeroize } from '../bytes.ts'
import type { UserId } from '../contracts/ids.ts'
import { groupedRecoveryCode, RECOVERY_ALPHABET, RECOVERY_SIGNS } from '../contracts/recovery-code.ts'

const CODES = 10
const CONTEXT = 'flarewatch/recovery-code/v1'

export function newRecoveryCodes(): string[] {
  return Array.from({ length: CODES }, newRecoveryCode)
}

/** 100 random bits. 256 is a multiple of 32, so that each sign is as likely as any other. */
function newRecoveryCode(): string {
  const bytes = randomBytes(RECOVERY_SIGNS)
  const signs = Array.from(bytes, (byte) => RECOVERY_ALPHABET.charAt(byte % RECOVERY_ALPHABET.length)).join('')
  zeroize(bytes)
  return groupedRecoveryCode(signs)
}

/** What is stored: of 100 bits that nobody chose there is nothing to guess, so one round is enough. Bound to its user. */
export function recoveryCodeHash(userId: UserId, code: string): string {
  return toBase64Url(sha256(lengthPrefixed(utf8(CONTEXT), uuidToBytes(userId), utf8(code))))
}
