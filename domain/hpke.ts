import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import { unshared } from './envelope/primitives.ts'
import { failure, type Result, success } from './result.ts'

/** HPKE base mode (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. One message an encapsulation. */
const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
})

export const HPKE_KEY_BYTES = 32
/** What a sealed message has beyond its plaintext: the encapsulated key, then at its end the tag. */
export const HPKE_OVERHEAD_BYTES = 32 + 16

export type HpkeKeyPair = { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array }

export async function generateHpkeKeyPair(): Promise<HpkeKeyPair> {
  const { publicKey, privateKey } = await suite.kem.generateKeyPair()
  return {
    publicKey: new Uint8Array(await suite.kem.serializePublicKey(publicKey)),
    privateKey: new Uint8Array(await suite.kem.serializePrivateKey(privateKey)),
  }
}

/** The public half of a private key; `not_a_key` for bytes that are none. */
export async function publicHalf(privateKey: Uint8Array): Promise<Result<Uint8Array, 'not_a_key'>> {
  const pair = await pairOf(privateKey)
  if (!pair.ok) return pair
  return success(new Uint8Array(await suite.kem.serializePublicKey(pair.value.publicKey)))
}

type SealInput = { readonly publicKey: Uint8Array; readonly info: Uint8Array; readonly plaintext: Uint8Array }
type OpenInput = { readonly privateKey: Uint8Array; readonly info: Uint8Array; readonly sealed: Uint8Array }

/** Encapsulated key, then ciphertext with its tag. Throws on a public key that is none, or of low order. */
export function hpkeSeal(input: SealInput): Promise<Uint8Array> {
  return seal(input)
}

/** For test vectors alone: elsewhere the ephemeral key is random, and one used twice reveals both plaintexts. */
export function hpkeSealWithEphemeral(input: SealInput, ephemeral: Uint8Array): Promise<Uint8Array> {
  return seal(input, ephemeral)
}

async function seal({ publicKey, info, plaintext }: SealInput, ephemeral?: Uint8Array): Promise<Uint8Array> {
  const recipientPublicKey = await suite.kem.deserializePublicKey(unshared(publicKey))
  const sender = await suite.createSenderContext({
    recipientPublicKey,
    info: unshared(info),
    ...(ephemeral === undefined ? {} : { ekm: unshared(ephemeral) }),
  })
  const ciphertext = new Uint8Array(await sender.seal(unshared(plaintext)))
  const sealed = new Uint8Array(sender.enc.byteLength + ciphertext.length)
  sealed.set(new Uint8Array(sender.enc))
  sealed.set(ciphertext, sender.enc.byteLength)
  return sealed
}

/** Every failure is the same: a wrong key, another info, a changed byte. */
export async function hpkeOpen({
  privateKey,
  info,
  sealed,
}: OpenInput): Promise<Result<Uint8Array, 'not_openable' | 'not_a_key'>> {
  if (sealed.length < HPKE_OVERHEAD_BYTES) return failure('not_openable')
  const pair = await pairOf(privateKey)
  if (!pair.ok) return pair
  try {
    const recipient = await suite.createRecipientContext({
      recipientKey: pair.value,
      enc: unshared(sealed.slice(0, HPKE_KEY_BYTES)),
      info: unshared(info),
    })
    return success(new Uint8Array(await recipient.open(unshared(sealed.slice(HPKE_KEY_BYTES)))))
  } catch {
    return failure('not_openable')
  }
}

/** The pair, so that the recipient's public half is derived once and not trusted from elsewhere. */
async function pairOf(privateKey: Uint8Array): Promise<Result<CryptoKeyPair, 'not_a_key'>> {
  try {
    const key = await suite.kem.deserializePrivateKey(unshared(privateKey))
    const jwk = await crypto.subtle.exportKey('jwk', key)
    if (jwk instanceof ArrayBuffer || jwk.x === undefined) return failure('not_a_key')
    const publicKey = await suite.kem.importKey('jwk', { kty: 'OKP', crv: 'X25519', x: jwk.x }, true)
    return success({ privateKey: key, publicKey })
  } catch {
    return failure('not_a_key')
  }
}
