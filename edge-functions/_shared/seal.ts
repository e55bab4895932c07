import { fromBase64Url, toBase64Url, zeroize } from 'domain/bytes.ts'
import type { CredentialId, TenantId } from 'domain/contracts/ids.ts'
import { openRecord, sealRecord } from 'domain/envelope/record.ts'
import { Secret } from 'domain/secret.ts'
import { Refused } from './errors.ts'

export type RecordOf = {
  readonly tenant_id: TenantId
  readonly credential_id: CredentialId
  readonly dek_version: number
}

/** The record as it is stored, under the subkey that the vault released for it. The subkey is gone afterwards. */
export async function sealSecret(secret: Secret, subkeyText: string, record: RecordOf): Promise<string> {
  const subkey = bytesOf(subkeyText)
  try {
    const sealed = secret.use((_, plaintext) => sealRecord({ subkey, context: contextOf(record), plaintext }))
    return toBase64Url(await sealed)
  } finally {
    zeroize(subkey)
  }
}

/** The plaintext for the duration of `use` and not longer (V5). */
export async function withSecret<Value>(
  ciphertext: string,
  subkeyText: string,
  record: RecordOf,
  use: (secret: Secret) => Promise<Value>,
): Promise<Value> {
  const subkey = bytesOf(subkeyText)
  try {
    const opened = await openRecord({ subkey, context: contextOf(record), sealed: bytesOf(ciphertext) })
    // The record was read before its key was asked for: one that does not fit was replaced in between.
    if (!opened.ok) throw new Refused('credential_moved')
    const secret = Secret.fromBytes(opened.value)
    try {
      return await use(secret)
    } finally {
      secret.zeroize()
    }
  } finally {
    zeroize(subkey)
  }
}

function contextOf({ tenant_id, credential_id, dek_version }: RecordOf) {
  return { tenantId: tenant_id, credentialId: credential_id, dekVersion: dek_version }
}

function bytesOf(text: string): Uint8Array {
  const decoded = fromBase64Url(text)
  if (!decoded.ok) throw new Refused('vault_unreachable')
  return decoded.value
}
