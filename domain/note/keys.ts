import { sha256 } from '@noble/hashes/sha2.js'
import { concat, equalConstantTime, fromBase64, fromBase64Url, randomBytes, toBase64, toHex, utf8 } from '../bytes.ts'
import { unshared } from '../envelope/primitives.ts'
import { failure, type Result, success } from '../result.ts'

/** Keys of C2SP signed-note, algorithm 0x01 (Ed25519), in the texts that its other tools read. */
export type NoteVerifier = { readonly name: string; readonly publicKey: Uint8Array }
export type NoteSigner = NoteVerifier & { readonly seed: Uint8Array }

export const MAX_KEY_NAME_CHARACTERS = 255
const ALGORITHM_ED25519 = 0x01
const KEY_BYTES = 32
const KEY_ID_BYTES = 4
const SIGNATURE_BYTES = 64
const SIGNER_PREFIX = 'PRIVATE+KEY+'
const MAX_KEY_CHARACTERS = 512
/** RFC 8410: what precedes the 32-byte seed of an Ed25519 private key in PKCS #8. */
const PKCS8_PREFIX = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20)

/** The first bytes of SHA-256(name, newline, algorithm, public key): a hint which key to try, never a proof. */
export function keyIdOf({ name, publicKey }: NoteVerifier): Uint8Array {
  return sha256(concat(utf8(`${name}\n`), withAlgorithm(publicKey))).subarray(0, KEY_ID_BYTES)
}

/** No white space and no plus, which the texts of keys and signatures are split by. */
export function isKeyName(name: string): boolean {
  return name.length <= MAX_KEY_NAME_CHARACTERS && /^[^\s\u0085+\p{Cc}\p{Cs}]+$/u.test(name)
}

/** `<name>+<key id in hex>+<base64 of algorithm and public key>`. */
export function formatVkey(verifier: NoteVerifier): string {
  return `${verifier.name}+${toHex(keyIdOf(verifier))}+${toBase64(withAlgorithm(verifier.publicKey))}`
}

export function parseVkey(text: string): Result<NoteVerifier, 'vkey_malformed'> {
  const parts = splitKey(text)
  if (parts === null) return failure('vkey_malformed')
  const verifier = { name: parts.name, publicKey: parts.key }
  return parts.keyId === toHex(keyIdOf(verifier)) ? success(verifier) : failure('vkey_malformed')
}

/** `PRIVATE+KEY+<name>+<key id in hex>+<base64 of algorithm and seed>`, as Go's note package writes it. */
export function formatSignerKey(signer: NoteSigner): string {
  return `${SIGNER_PREFIX}${signer.name}+${toHex(keyIdOf(signer))}+${toBase64(withAlgorithm(signer.seed))}`
}

export async function parseSignerKey(text: string): Promise<Result<NoteSigner, 'signer_key_malformed'>> {
  const parts = text.startsWith(SIGNER_PREFIX) ? splitKey(text.slice(SIGNER_PREFIX.length)) : null
  if (parts === null) return failure('signer_key_malformed')
  const signer = { name: parts.name, seed: parts.key, publicKey: await publicKeyOf(parts.key) }
  return parts.keyId === toHex(keyIdOf(signer)) ? success(signer) : failure('signer_key_malformed')
}

export function generateSigner(name: string): Promise<NoteSigner> {
  return signerOfSeed(name, randomBytes(KEY_BYTES))
}

/** RFC 8032 section 5.1.5: the seed is the whole private key. */
export async function signerOfSeed(name: string, seed: Uint8Array): Promise<NoteSigner> {
  if (!isKeyName(name)) throw new RangeError('not a name for a note key')
  return { name, seed, publicKey: await publicKeyOf(seed) }
}

export async function importSeed(seed: Uint8Array, extractable: boolean): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', concat(PKCS8_PREFIX, seed), 'Ed25519', extractable, ['sign'])
}

/** Runtimes disagree on a signature of the wrong length: workerd throws where others say false. */
export async function verifyEd25519(
  publicKey: Uint8Array,
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  if (signature.length !== SIGNATURE_BYTES) return false
  const key = await crypto.subtle.importKey('raw', unshared(publicKey), 'Ed25519', false, ['verify'])
  return crypto.subtle.verify('Ed25519', key, unshared(signature), unshared(message))
}

/** WebCrypto derives a public key only on the way out of a private one. */
async function publicKeyOf(seed: Uint8Array): Promise<Uint8Array> {
  const exported = await crypto.subtle.exportKey('jwk', await importSeed(seed, true))
  const publicKey = 'x' in exported && exported.x !== undefined ? fromBase64Url(exported.x) : null
  if (publicKey === null || !publicKey.ok) throw new Error('WebCrypto gave no public key')
  return publicKey.value
}

function splitKey(text: string): { name: string; keyId: string; key: Uint8Array } | null {
  if (text.length > MAX_KEY_CHARACTERS) return null
  const [, name = '', keyId = '', encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text) ?? []
  const key = fromBase64(encoded)
  if (!isKeyName(name) || !key.ok || key.value.length !== 1 + KEY_BYTES) return null
  if (!equalConstantTime(key.value.subarray(0, 1), Uint8Array.of(ALGORITHM_ED25519))) return null
  return { name, keyId, key: key.value.subarray(1) }
}

function withAlgorithm(key: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(ALGORITHM_ED25519), key)
}
