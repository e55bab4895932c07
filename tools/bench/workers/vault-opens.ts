import { zeroize } from '../../../domain/bytes.ts'
import { deriveSubkey, openRecord, type RecordContext } from '../../../domain/envelope/record.ts'
import { unwrapKey } from '../../../domain/envelope/wrap.ts'

/**
 * Two ways from a wrapped DEK and a sealed record to its plaintext: our own code as vault and connector run it, and the same
 * steps on bare WebCrypto with everything that can be prepared prepared. Timed from outside: a Worker's clock stands still.
 */
export type VaultCase = {
  readonly kek: string
  readonly share: string
  readonly context: Extract<RecordContext, { credentialId: string }>
  readonly wrapped: string
  readonly salt: string
  readonly sealed: string
  /** What the domain puts into HKDF and GCM for this record. */
  readonly wrapInfo: string
  readonly wrapAad: string
  readonly recordAad: string
}
type Decoded = { readonly [Field in Exclude<keyof VaultCase, 'context'>]: Uint8Array<ArrayBuffer> } & {
  readonly context: Extract<RecordContext, { credentialId: string }>
}

const COMMITMENT_INFO = ascii('flarewatch/commitment/v1')
const ENCRYPTION_INFO = ascii('flarewatch/encryption/v1')

export default {
  async fetch(request: Request): Promise<Response> {
    const { side, times, cases } = (await request.json()) as {
      side: 'ours' | 'bare'
      times: number
      cases: VaultCase[]
    }
    const decoded = cases.map(decode)
    const open = side === 'ours' ? openOurs : openBare
    let work = 0
    for (let time = 0; time < times; time += 1) {
      const one = decoded[time % decoded.length]
      if (one === undefined) throw new Error('no case')
      const plaintext = await open(one)
      if (time < decoded.length) for (const byte of plaintext) work += byte
    }
    return Response.json({ work: `${decoded.length} plaintexts, ${work}` })
  },
}

async function openOurs({ kek, share, context, wrapped, salt, sealed }: Decoded): Promise<Uint8Array> {
  const { tenantId, credentialId, dekVersion } = context
  const wrap = { purpose: 'credential-dek', tenantId, credentialId, keyVersion: dekVersion } as const
  const dek = await unwrapKey({ kek: { version: 1, bytes: kek }, share, context: wrap, wrapped })
  if (!dek.ok) throw new Error(dek.code)
  const subkey = await deriveSubkey({ dek: dek.value, salt, context })
  zeroize(dek.value)
  const plaintext = await openRecord({ subkey, context, sealed })
  zeroize(subkey)
  if (!plaintext.ok) throw new Error(plaintext.code)
  return plaintext.value
}

async function openBare(one: Decoded): Promise<Uint8Array> {
  const { subtle } = crypto
  const derive = (key: CryptoKey, salt: Uint8Array<ArrayBuffer>, info: Uint8Array<ArrayBuffer>) =>
    subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info }, key, 256)
  const hkdfKey = (key: BufferSource) => subtle.importKey('raw', key, 'HKDF', false, ['deriveBits'])
  const decrypt = async (key: BufferSource, iv: BufferSource, additionalData: BufferSource, data: BufferSource) => {
    const imported = await subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
    return subtle.decrypt({ name: 'AES-GCM', iv, additionalData }, imported, data)
  }
  const wrappingKey = await derive(await hkdfKey(one.kek), one.share, one.wrapInfo)
  const dek = await decrypt(wrappingKey, one.wrapped.subarray(0, 12), one.wrapAad, one.wrapped.subarray(12))
  const subkey = await derive(await hkdfKey(dek), one.salt, one.recordAad)
  const base = await hkdfKey(subkey)
  const commitment = new Uint8Array(await derive(base, NO_SALT, COMMITMENT_INFO))
  const key = await derive(base, NO_SALT, ENCRYPTION_INFO)
  for (let at = 0; at < 32; at += 1) if (commitment[at] !== one.sealed[at + 1]) throw new Error('not this key')
  return new Uint8Array(await decrypt(key, one.sealed.subarray(33, 45), one.recordAad, one.sealed.subarray(45)))
}

const NO_SALT = new Uint8Array(0)

function decode({ context, ...texts }: VaultCase): Decoded {
  const bytes = (text: string) => ascii(atob(text))
  return {
    context,
    kek: bytes(texts.kek),
    share: bytes(texts.share),
    wrapped: bytes(texts.wrapped),
    salt: bytes(texts.salt),
    sealed: bytes(texts.sealed),
    wrapInfo: bytes(texts.wrapInfo),
    wrapAad: bytes(texts.wrapAad),
    recordAad: bytes(texts.recordAad),
  }
}

function ascii(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}
