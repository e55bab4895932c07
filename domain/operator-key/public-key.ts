import { fromBase64Url, lengthPrefixed, toBase64Url, utf8 } from '../bytes.ts'
import { derivedUuid } from '../derived-uuid.ts'
import { failure, type Result, success } from '../result.ts'

/** The public half of a member's operator key: an X25519 key that reveals are sealed to, then an Ed25519 key that vouches. */
export const OPERATOR_PUBLIC_BYTES = 64
const HPKE_HALF_BYTES = 32
const PUBLIC_PREFIX = 'fwok_pub_'
const KEY_ID_LABEL = utf8('flarewatch/operator-key/v1')

/** What a reveal is sealed to. */
export function hpkeHalf(publicKey: Uint8Array): Uint8Array {
  return publicKey.slice(0, HPKE_HALF_BYTES)
}

/** What verifies a signature for a further key. */
export function signingHalf(publicKey: Uint8Array): Uint8Array {
  return publicKey.slice(HPKE_HALF_BYTES)
}

/** Which key, over both halves: a UUID of 122 hashed bits. A person compares it as `formatFingerprint` shows it. */
export function operatorKeyId(publicKey: Uint8Array): string {
  return derivedUuid(lengthPrefixed(KEY_ID_LABEL, publicKey))
}

export function formatFingerprint(keyId: string): string {
  return (keyId.replaceAll('-', '').match(/.{4}/g) ?? []).join(' ')
}

export function formatOperatorPublicKey(publicKey: Uint8Array): string {
  return `${PUBLIC_PREFIX}${toBase64Url(publicKey)}`
}

export function parseOperatorPublicKey(text: string): Result<Uint8Array, 'operator_key_malformed'> {
  if (!text.startsWith(PUBLIC_PREFIX)) return failure('operator_key_malformed')
  const bytes = fromBase64Url(text.slice(PUBLIC_PREFIX.length))
  return bytes.ok && bytes.value.length === OPERATOR_PUBLIC_BYTES
    ? success(bytes.value)
    : failure('operator_key_malformed')
}
