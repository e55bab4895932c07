import { concat, lengthPrefixed, utf8, uuidToBytes, zeroize } from '../bytes.ts'
import { hkdfPair, unshared } from '../envelope/primitives.ts'
import { publicHalf } from '../hpke.ts'
import { importSeed, signerOfSeed, verifyEd25519 } from '../note/keys.ts'
import { signingHalf } from './public-key.ts'

/**
 * A member's operator key: an X25519 key that reveals are sealed to, and an Ed25519 key that vouches for a further key of
 * the same member, since X25519 signs nothing. Both come from one seed; the public half is both public keys, in that order.
 */
export const OPERATOR_SEED_BYTES = 32
export const VOUCH_BYTES = 64

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

/** Whose key, and where: a signature for one member of one tenant says nothing about another. */
export type VouchContext = { readonly tenantId: string; readonly userId: string; readonly newKey: Uint8Array }

export async function vouchFor(signingSeed: Uint8Array, context: VouchContext): Promise<Uint8Array> {
  const key = await importSeed(signingSeed, false)
  return new Uint8Array(await crypto.subtle.sign('Ed25519', key, unshared(vouchMessage(context))))
}

export function isVouchedFor(voucher: Uint8Array, signature: Uint8Array, context: VouchContext): Promise<boolean> {
  return verifyEd25519(signingHalf(voucher), signature, vouchMessage(context))
}

function vouchMessage({ tenantId, userId, newKey }: VouchContext): Uint8Array {
  return lengthPrefixed(VOUCH_LABEL, uuidToBytes(tenantId), uuidToBytes(userId), newKey)
}
