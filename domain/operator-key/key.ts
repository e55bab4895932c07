import { concat, fromBase64Url, lengthPrefixed, toBase64Url, utf8, uuidToBytes, zeroize } from '../bytes.ts'
import { derivedUuid } from '../derived-uuid.ts'
import { hkdfPair, unshared } from '../envelope/primitives.ts'
import { HPKE_KEY_BYTES, publicHalf } from '../hpke.ts'
import { importSeed, signerOfSeed, verifyEd25519 } from '../note/keys.ts'
import { failure, type Result, success } from '../result.ts'

/**
 * A member's operator key: an X25519 key that reveals are sealed to, and an Ed25519 key that vouches for a further key of
 * the same member, since X25519 signs nothing. Both come from one seed; the public half is both public keys, in that order.
 */
export const OPERATOR_SEED_BYTES = 32
export const OPERATOR_PUBLIC_BYTES = 64
export const VOUCH_BYTES = 64

const PUBLIC_PREFIX = 'fwok_pub_'
const KEY_ID_LABEL = utf8('flarewatch/operator-key/v1')
const VOUCH_LABEL = utf8('flarewatch/operator-key/vouch/v1')
const HPKE_INFO = utf8('flarewatch/operator-key/hpke/v1')
const SIGNING_INFO = utf8('flarewatch/operator-key/signing/v1')
const SIGNER_NAME = 'operator-key'

export type OperatorKey = {
  readonly hpkePrivate: Uint8Array
  readonly signingSeed: Uint8Array
  readonly publicKey: Uint8Array
}

export async function operatorKeyOf(seed: Uint8Array): Promise<OperatorKey> {
  if (seed.length !== OPERATOR_SEED_BYTES) throw new RangeError(`a seed has ${OPERATOR_SEED_BYTES} bytes`)
  const [hpkePrivate, signingSeed] = await hkdfPair(seed, [HPKE_INFO, SIGNING_INFO])
  const hpke = await publicHalf(hpkePrivate)
  // RFC 7748 section 5: every 32 bytes are a private key.
  if (!hpke.ok) throw new Error(hpke.code)
  const { publicKey: signing } = await signerOfSeed(SIGNER_NAME, signingSeed)
  return { hpkePrivate, signingSeed, publicKey: concat(hpke.value, signing) }
}

export function zeroizeOperatorKey({ hpkePrivate, signingSeed }: OperatorKey): void {
  zeroize(hpkePrivate)
  zeroize(signingSeed)
}

/** What a reveal is sealed to. */
export function hpkeHalf(publicKey: Uint8Array): Uint8Array {
  return publicKey.slice(0, HPKE_KEY_BYTES)
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

/** Whose key, and where: a signature for one member of one tenant says nothing about another. */
export type VouchContext = { readonly tenantId: string; readonly userId: string; readonly newKey: Uint8Array }

export async function vouchFor(signingSeed: Uint8Array, context: VouchContext): Promise<Uint8Array> {
  const key = await importSeed(signingSeed, false)
  return new Uint8Array(await crypto.subtle.sign('Ed25519', key, unshared(vouchMessage(context))))
}

export function isVouchedFor(voucher: Uint8Array, signature: Uint8Array, context: VouchContext): Promise<boolean> {
  return verifyEd25519(voucher.slice(HPKE_KEY_BYTES), signature, vouchMessage(context))
}

function vouchMessage({ tenantId, userId, newKey }: VouchContext): Uint8Array {
  return lengthPrefixed(VOUCH_LABEL, uuidToBytes(tenantId), uuidToBytes(userId), newKey)
}
