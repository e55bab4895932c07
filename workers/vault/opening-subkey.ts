import { zeroize } from '../../domain/bytes.ts'
import type { CredentialId, TenantId } from '../../domain/contracts/ids.ts'
import { deriveSubkey, SALT_BYTES } from '../../domain/envelope/record.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import type { SealedDek } from './jobs.ts'
import type { OpenFault, Unlocked } from './release.ts'

/** What opens one version of one record, and nothing else. Whoever gets it zeroes it. */
export async function openingSubkey(
  { unwrap }: Unlocked,
  {
    tenant_id: tenantId,
    credential_id: credentialId,
  }: { readonly tenant_id: TenantId; readonly credential_id: CredentialId },
  { kek_version, wrapped_dek, dek_version, dek_known, salt }: Omit<SealedDek, 'signs_webhooks'>,
): Promise<Result<Uint8Array, OpenFault>> {
  if (!dek_known) return failure('dek_version_unknown')
  if (salt.length !== SALT_BYTES) return failure('salt_malformed')
  const wrapContext = { purpose: 'credential-dek', tenantId, credentialId, keyVersion: dek_version } as const
  const dek = await unwrap(wrapContext, { kekVersion: kek_version, wrapped: wrapped_dek })
  if (!dek.ok) return dek
  try {
    return success(
      await deriveSubkey({ dek: dek.value, salt, context: { tenantId, credentialId, dekVersion: dek_version } }),
    )
  } finally {
    zeroize(dek.value)
  }
}
