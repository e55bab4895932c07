import { failure, type Result, success } from './result.ts'

const U32_LIMIT = 2 ** 32
const LENGTH_BYTES = 4
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const encoder = new TextEncoder()

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Each field behind its own length: no two lists of fields give the same bytes. */
export function lengthPrefixed(...fields: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(fields.reduce((length, field) => length + LENGTH_BYTES + field.length, 0))
  let offset = 0
  for (const field of fields) {
    putU32be(joined, offset, field.length)
    joined.set(field, offset + LENGTH_BYTES)
    offset += LENGTH_BYTES + field.length
  }
  return joined
}

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

export function u32be(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4)
  putU32be(bytes, 0, value)
  return bytes
}

/** Integers above 2^53 have no exact number in JavaScript and are refused. */
export function u64be(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8)
  putU64be(bytes, 0, value)
  return bytes
}

/** Writes into a buffer that has room for it: a `Uint8Array` takes the low 8 bits of what it is given. */
export function putU32be(into: Uint8Array, offset: number, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value >= U32_LIMIT)
    throw new RangeError('not an unsigned 32-bit integer')
  into[offset] = value >>> 24
  into[offset + 1] = value >>> 16
  into[offset + 2] = value >>> 8
  into[offset + 3] = value
}

export function putU64be(into: Uint8Array, offset: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('not an unsigned safe integer')
  putU32be(into, offset, Math.floor(value / U32_LIMIT))
  putU32be(into, offset + 4, value % U32_LIMIT)
}

/** Ids are checked at the edges; one that is no lower-case UUID here is a defect of ours. */
export function uuidToBytes(uuid: string): Uint8Array<ArrayBuffer> {
  if (!UUID.test(uuid)) throw new RangeError('not a lower-case UUID')
  const bytes = new Uint8Array(16)
  let at = 0
  for (let i = 0; i < bytes.length; i += 1) {
    if (uuid.charCodeAt(at) === HYPHEN) at += 1
    bytes[i] = (hexDigit(uuid.charCodeAt(at)) << 4) | hexDigit(uuid.charCodeAt(at + 1))
    at += 2
  }
  return bytes
}

const HYPHEN = 0x2d
const [DIGIT_0, DIGIT_9, LETTER_A] = [0x30, 0x39, 0x61]

function hexDigit(code: number): number {
  return code <= DIGIT_9 ? code - DIGIT_0 : code - LETTER_A + 10
}

export function bytesToUuid(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw new RangeError('a UUID has 16 bytes')
  const hex = toHex(bytes)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** RFC 4648 section 4, padded. */
export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

/** RFC 4648 section 5, without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/**
 * Canonical encodings only (RFC 4648 section 3.5): bytes have one text, so a text can be compared or hashed in their place. By
 * a table, since an export has several texts a row: `atob`, and a string a character, took most of a verifier's time.
 */
export function fromBase64(text: string): Result<Uint8Array<ArrayBuffer>, 'not_base64'> {
  if (text.length % 4 !== 0) return failure('not_base64')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const digits = text.length - padding
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  let [bits, pending, at, wrong] = [0, 0, 0, 0]
  for (let i = 0; i < digits; i += 1) {
    const digit = BASE64_DIGITS[text.charCodeAt(i)] ?? NO_DIGIT
    wrong |= digit
    bits = ((bits << 6) | digit) & 0xffff
    pending += 6
    if (pending < 8) continue
    pending -= 8
    bytes[at] = bits >> pending
    at += 1
  }
  // What the last digit has over whole bytes is zero, and says nothing twice.
  const isCanonical = (bits & ((1 << pending) - 1)) === 0
  return wrong < NO_DIGIT && isCanonical ? success(bytes) : failure('not_base64')
}

const NO_DIGIT = 0x40
const BASE64_DIGITS = new Uint8Array(128).fill(NO_DIGIT)
for (const [value, digit] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  BASE64_DIGITS[digit.charCodeAt(0)] = value
}

export function fromBase64Url(text: string): Result<Uint8Array<ArrayBuffer>, 'not_base64url'> {
  if (text.length % 4 === 1 || !/^[A-Za-z0-9_-]*$/.test(text)) return failure('not_base64url')
  const standard = text.replaceAll('-', '+').replaceAll('_', '/')
  const decoded = fromBase64(standard.padEnd(Math.ceil(text.length / 4) * 4, '='))
  return decoded.ok ? decoded : failure('not_base64url')
}

/** Time depends on the lengths alone, which are public. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  // By index: an iterator makes a pair a byte, and chains compare millions of hashes.
  for (let i = 0; i < a.length; i += 1) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}

export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length))
}

export function zeroize(bytes: Uint8Array): void {
  bytes.fill(0)
}
