import { concat, lengthPrefixed, randomBytes, u32be, utf8, uuidToBytes, zeroize } from '../bytes.ts'
import { failure, type Result } from '../result.ts'
import { aadOf } from './aad.ts'
import type { Kek } from './kek.ts'
import { decrypt, encrypt, hkdf, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from './primitives.ts'

export type WrapContext =
  | {
      readonly purpose: 'tenant-dek' | 'audit-key' | 'backup-canary'
      readonly tenantId: string
      readonly keyVersion: number
    }
  | {
      readonly purpose: 'credential-dek'
      readonly tenantId: string
      readonly credentialId: string
      readonly keyVersion: number
    }

/** The KEK of the vault and a share of the tenant, which only the ledger has: neither opens anything alone (V2). */
type WrappingKeyParts = { readonly kek: Kek; readonly share: Uint8Array; readonly context: WrapContext }

export const WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
const WRAPPING_INFO = utf8('flarewatch/wrapping-key/v1')

export function wrapKey(input: WrappingKeyParts & { readonly key: Uint8Array }): Promise<Uint8Array> {
  return wrapKeyWithNonce(input, randomBytes(NONCE_BYTES))
}

/** For test vectors alone. Elsewhere the nonce is random: a nonce used twice under one key reveals both keys. */
export async function wrapKeyWithNonce(
  { kek, share, context, key }: WrappingKeyParts & { readonly key: Uint8Array },
  nonce: Uint8Array,
): Promise<Uint8Array> {
  requireLength(share, 'share')
  requireLength(key, 'key')
  const wrappingKey = await wrappingKeyOf(kek, share, context.tenantId)
  try {
    return concat(nonce, await encrypt({ key: wrappingKey, nonce, aad: wrapAad(context, kek.version) }, key))
  } finally {
    zeroize(wrappingKey)
  }
}

export async function unwrapKey({
  kek,
  share,
  context,
  wrapped,
}: WrappingKeyParts & { readonly wrapped: Uint8Array }): Promise<Result<Uint8Array, 'not_openable'>> {
  if (wrapped.length !== WRAPPED_BYTES || share.length !== KEY_BYTES) return failure('not_openable')
  const wrappingKey = await wrappingKeyOf(kek, share, context.tenantId)
  const nonce = wrapped.subarray(0, NONCE_BYTES)
  try {
    return await decrypt({ key: wrappingKey, nonce, aad: wrapAad(context, kek.version) }, wrapped.subarray(NONCE_BYTES))
  } finally {
    zeroize(wrappingKey)
  }
}

function wrappingKeyOf(kek: Kek, share: Uint8Array, tenantId: string): Promise<Uint8Array> {
  const info = lengthPrefixed(WRAPPING_INFO, uuidToBytes(tenantId), u32be(kek.version))
  return hkdf({ key: kek.bytes, salt: share, info })
}

function wrapAad(context: WrapContext, kekVersion: number): Uint8Array {
  const { purpose, tenantId, keyVersion } = context
  const subjectId = context.purpose === 'credential-dek' ? context.credentialId : null
  return aadOf({ purpose, tenantId, subjectId, keyVersion, kekVersion })
}

function requireLength(bytes: Uint8Array, name: string): void {
  if (bytes.length !== KEY_BYTES) throw new RangeError(`a ${name} has ${KEY_BYTES} bytes`)
}
