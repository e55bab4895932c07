import { randomBytes, zeroize } from '../../domain/bytes.ts'
import type { CredentialId, TenantId } from '../../domain/contracts/ids.ts'
import { deriveSubkey, SALT_BYTES } from '../../domain/envelope/record.ts'
import { type Result, success } from '../../domain/result.ts'
import type { OpenFault, Unlocked } from './release.ts'
import type { TenantDek } from './tenant-dek.ts'

/** What seals one version of one record, and what that record is stored with. Whoever gets it zeroes the subkey. */
export type SealingKeys = {
  readonly dekVersion: number
  readonly kekVersion: number
  readonly wrappedDek: Uint8Array
  readonly salt: Uint8Array
  readonly subkey: Uint8Array
}

/** The salt is the vault's: whoever seals cannot ask for the subkey of a record that is there already. */
export async function sealingKeys(
  { unwrap, wrap }: Unlocked,
  tenantDek: TenantDek,
  { tenantId, credentialId }: { readonly tenantId: TenantId; readonly credentialId: CredentialId },
): Promise<Result<SealingKeys, OpenFault>> {
  const dekVersion = tenantDek.version
  const dek = await unwrap({ purpose: 'tenant-dek', tenantId, keyVersion: dekVersion }, tenantDek)
  if (!dek.ok) return dek
  try {
    const wrapContext = { purpose: 'credential-dek', tenantId, credentialId, keyVersion: dekVersion } as const
    const rewrapped = await wrap(wrapContext, dek.value)
    if (!rewrapped.ok) return rewrapped
    const { kekVersion, wrapped } = rewrapped.value
    const salt = randomBytes(SALT_BYTES)
    const subkey = await deriveSubkey({ dek: dek.value, salt, context: { tenantId, credentialId, dekVersion } })
    return success({ dekVersion, kekVersion, wrappedDek: wrapped, salt, subkey })
  } finally {
    zeroize(dek.value)
  }
}
