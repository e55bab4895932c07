import { failure, type Result, success } from '../result.ts'

/** AES-256-GCM, HKDF-SHA256 and HMAC-SHA256 of WebCrypto, with the few shapes in which Flarewatch uses them. */
export const KEY_BYTES = 32
export const NONCE_BYTES = 12
export const TAG_BYTES = 16

const EMPTY = new Uint8Array()

type HkdfInput = {
  readonly key: Uint8Array
  /** Empty when left out, which RFC 5869 section 2.2 takes for 32 zero bytes. */
  readonly salt?: Uint8Array
  readonly info: Uint8Array
}

export async function hkdf({ key, salt = EMPTY, info }: HkdfInput): Promise<Uint8Array> {
  return derive(await importHkdfKey(key), salt, info)
}

/** Two keys from one, told apart by their infos. */
export async function hkdfPair(
  key: Uint8Array,
  infos: readonly [Uint8Array, Uint8Array],
): Promise<[Uint8Array, Uint8Array]> {
  const base = await importHkdfKey(key)
  return [await derive(base, EMPTY, infos[0]), await derive(base, EMPTY, infos[1])]
}

function importHkdfKey(key: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', unshared(key), 'HKDF', false, ['deriveBits'])
}

async function derive(base: CryptoKey, salt: Uint8Array, info: Uint8Array): Promise<Uint8Array> {
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: unshared(salt), info: unshared(info) }
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, base, KEY_BYTES * 8))
}

export async function hmac(key: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const imported = await crypto.subtle.importKey('raw', unshared(key), algorithm, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, unshared(message)))
}

type GcmInput = { readonly key: Uint8Array; readonly nonce: Uint8Array; readonly aad: Uint8Array }

/** Ciphertext with the 16-byte tag at its end. A nonce must never meet the same key twice. */
export async function encrypt({ key, nonce, aad }: GcmInput, plaintext: Uint8Array): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey('raw', unshared(key), 'AES-GCM', false, ['encrypt'])
  return new Uint8Array(await crypto.subtle.encrypt(gcm(nonce, aad), imported, unshared(plaintext)))
}

export async function decrypt(
  { key, nonce, aad }: GcmInput,
  ciphertext: Uint8Array,
): Promise<Result<Uint8Array, 'not_openable'>> {
  const imported = await crypto.subtle.importKey('raw', unshared(key), 'AES-GCM', false, ['decrypt'])
  try {
    return success(new Uint8Array(await crypto.subtle.decrypt(gcm(nonce, aad), imported, unshared(ciphertext))))
  } catch {
    return failure('not_openable')
  }
}

function gcm(nonce: Uint8Array, aad: Uint8Array) {
  return { name: 'AES-GCM', iv: unshared(nonce), additionalData: unshared(aad), tagLength: TAG_BYTES * 8 }
}

/** WebCrypto refuses memory that another thread could change under it; so do the types. */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (isUnshared(bytes)) return bytes
  throw new TypeError('bytes in shared memory')
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return typeof SharedArrayBuffer === 'undefined' || !(bytes.buffer instanceof SharedArrayBuffer)
}
