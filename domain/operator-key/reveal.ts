import { sha256 } from '@noble/hashes/sha2.js'
import { lengthPrefixed, u32be, utf8, uuidToBytes } from '../bytes.ts'
import { hpkeOpen, hpkeSeal } from '../hpke.ts'
import { failure, type Result } from '../result.ts'

/** One reveal: which version of which record, for which pickup. An answer to another reveal does not open in its place. */
export type RevealContext = {
  readonly tenantId: string
  readonly credentialId: string
  readonly dekVersion: number
  readonly pickupId: Uint8Array
}

export const PICKUP_BYTES = 32
const LABEL = utf8('flarewatch/reveal/v1')
const ACTION = utf8('credential.reveal')
const PICKUP_LABEL = utf8('flarewatch/reveal-pickup/v1')

/** The `info` of RFC 9180 section 5.1. Each field is behind its length, so no two contexts give the same bytes. */
export function revealInfo({ tenantId, credentialId, dekVersion, pickupId }: RevealContext): Uint8Array {
  return lengthPrefixed(LABEL, ACTION, uuidToBytes(tenantId), uuidToBytes(credentialId), u32be(dekVersion), pickupId)
}

type SealInput = { readonly publicKey: Uint8Array; readonly context: RevealContext; readonly plaintext: Uint8Array }
type OpenInput = { readonly privateKey: Uint8Array; readonly context: RevealContext; readonly sealed: Uint8Array }

export function sealReveal({ publicKey, context, plaintext }: SealInput): Promise<Uint8Array> {
  return hpkeSeal({ publicKey, info: revealInfo(context), plaintext })
}

export async function openReveal({
  privateKey,
  context,
  sealed,
}: OpenInput): Promise<Result<Uint8Array, 'not_openable'>> {
  const opened = await hpkeOpen({ privateKey, info: revealInfo(context), sealed })
  return opened.ok ? opened : failure('not_openable')
}

/** The name under which an answer waits. Whoever knows it alone, as the browser does, cannot fetch what waits there. */
export function pickupIdOf(pickupSecret: Uint8Array): Uint8Array {
  return sha256(lengthPrefixed(PICKUP_LABEL, pickupSecret))
}
