import { concat, equalConstantTime, randomBytes, utf8, zeroize } from '../bytes.ts'
import { failure, type Result, success } from '../result.ts'
import { aadOf } from './aad.ts'
import { decrypt, encrypt, hkdf, hkdfPair, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from './primitives.ts'

/** What a record is of: a credential's secret, or a delivery of a webhook that was found to be genuine. */
export type RecordContext = { readonly tenantId: string; readonly dekVersion: number } & (
  | { readonly credentialId: string }
  | { readonly eventId: string }
)

/** Random for every encryption, so that a released subkey opens one version of one row (V1). */
export const SALT_BYTES = 32

const VERSION = 0x01
const COMMITMENT_BYTES = 32
const HEADER_BYTES = 1 + COMMITMENT_BYTES + NONCE_BYTES
const COMMITMENT_INFO = utf8('flarewatch/commitment/v1')
const ENCRYPTION_INFO = utf8('flarewatch/encryption/v1')

type SubkeyInput = { readonly dek: Uint8Array; readonly salt: Uint8Array; readonly context: RecordContext }
type SealInput = { readonly subkey: Uint8Array; readonly context: RecordContext; readonly plaintext: Uint8Array }
type OpenInput = { readonly subkey: Uint8Array; readonly context: RecordContext; readonly sealed: Uint8Array }

export async function deriveSubkey({ dek, salt, context }: SubkeyInput): Promise<Uint8Array> {
  if (dek.length !== KEY_BYTES) throw new RangeError(`a DEK has ${KEY_BYTES} bytes`)
  if (salt.length !== SALT_BYTES) throw new RangeError(`a salt has ${SALT_BYTES} bytes`)
  return hkdf({ key: dek, salt, info: recordAad(context) })
}

export function sealRecord(input: SealInput): Promise<Uint8Array> {
  return sealRecordWithNonce(input, randomBytes(NONCE_BYTES))
}

/** For test vectors alone. Elsewhere the nonce is random: a nonce used twice under one subkey reveals both plaintexts. */
export async function sealRecordWithNonce(input: SealInput, nonce: Uint8Array): Promise<Uint8Array> {
  const { commitment, key } = await splitSubkey(input.subkey)
  try {
    const ciphertext = await encrypt({ key, nonce, aad: recordAad(input.context) }, input.plaintext)
    return concat(Uint8Array.of(VERSION), commitment, nonce, ciphertext)
  } finally {
    zeroize(key)
  }
}

/** Every failure is the same to the caller. */
export async function openRecord(input: OpenInput): Promise<Result<Uint8Array, 'not_openable'>> {
  const opened = await openRecordOrFault(input)
  return opened.ok ? opened : failure('not_openable')
}

/** Why a record does not open: for the sealed outcome row alone, never for whoever asked. */
export type RecordFault = 'record_malformed' | 'record_commitment_mismatch' | 'record_altered'

/** The commitment is checked first: GCM alone lets one ciphertext be made that opens under two keys. */
export async function openRecordOrFault({
  subkey,
  context,
  sealed,
}: OpenInput): Promise<Result<Uint8Array, RecordFault>> {
  if (sealed.length < HEADER_BYTES + TAG_BYTES || sealed[0] !== VERSION) return failure('record_malformed')
  const { commitment, key } = await splitSubkey(subkey)
  try {
    if (!equalConstantTime(commitment, commitmentOf(sealed))) return failure('record_commitment_mismatch')
    const nonce = sealed.subarray(1 + COMMITMENT_BYTES, HEADER_BYTES)
    const plaintext = await decrypt({ key, nonce, aad: recordAad(context) }, sealed.subarray(HEADER_BYTES))
    return plaintext.ok ? success(plaintext.value) : failure('record_altered')
  } finally {
    zeroize(key)
  }
}

/** What a record sealed under this subkey commits to. It is stored with the record and opens nothing. */
export async function commitmentUnder(subkey: Uint8Array): Promise<Uint8Array> {
  return hkdf({ key: subkey, info: COMMITMENT_INFO })
}

/** Which key a sealed record commits to. */
export function commitmentOf(sealed: Uint8Array): Uint8Array {
  return sealed.subarray(1, 1 + COMMITMENT_BYTES)
}

async function splitSubkey(subkey: Uint8Array): Promise<{ commitment: Uint8Array; key: Uint8Array }> {
  const [commitment, key] = await hkdfPair(subkey, [COMMITMENT_INFO, ENCRYPTION_INFO])
  return { commitment, key }
}

function recordAad(context: RecordContext): Uint8Array {
  const { tenantId, dekVersion: keyVersion } = context
  if ('eventId' in context) return aadOf({ purpose: 'webhook-event', tenantId, subjectId: context.eventId, keyVersion })
  return aadOf({ purpose: 'credential', tenantId, subjectId: context.credentialId, keyVersion })
}
