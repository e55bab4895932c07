import { sha256 } from '@noble/hashes/sha2.js'
import { lengthPrefixed, randomBytes, toBase64Url, utf8, uuidToBytes, zeroize } from '../bytes.ts'
import type { UserId } from '../contracts/ids.ts'

/** Crockford's base32: no letter that is taken for a digit, and none that spells words. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const LENGTH = 20
const CODES = 10
const GROUP = /.{5}(?=.)/g
const CONTEXT = 'flarewatch/recovery-code/v1'

export function newRecoveryCodes(): string[] {
  return Array.from({ length: CODES }, newRecoveryCode)
}

/** 100 random bits, in four groups of five. 256 is a multiple of 32, so that each sign is as likely as any other. */
function newRecoveryCode(): string {
  const bytes = randomBytes(LENGTH)
  const signs = Array.from(bytes, (byte) => ALPHABET.charAt(byte % ALPHABET.length)).join('')
  zeroize(bytes)
  return signs.replaceAll(GROUP, '$&-')
}

/** A code as it is written here, from how a person typed it; null for what cannot be one. */
export function typedRecoveryCode(typed: string): string | null {
  const signs = typed.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1')
  const isCode = signs.length === LENGTH && [...signs].every((sign) => ALPHABET.includes(sign))
  return isCode ? signs.replaceAll(GROUP, '$&-') : null
}

/** What is stored: of 100 bits that nobody chose there is nothing to guess, so one round is enough. Bound to its user. */
export function recoveryCodeHash(userId: UserId, code: string): string {
  return toBase64Url(sha256(lengthPrefixed(utf8(CONTEXT), uuidToBytes(userId), utf8(code))))
}
