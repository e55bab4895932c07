import { lengthPrefixed, u32be, utf8, uuidToBytes } from '../bytes.ts'
import { hpkeOpen, hpkeSeal, hpkeSealWithEphemeral } from '../hpke.ts'
import { failure, type Result } from '../result.ts'

/** What is sealed to a backup key, or on its way back, and where it belongs: moved elsewhere it does not open. */
export type BackupContext =
  /** A tenant's shares and head, sealed by its ledger for one backup. */
  | { readonly purpose: 'tenant-shares'; readonly tenantId: string; readonly backupId: string }
  /** A KEK that leaves service before the last backup under it has aged out. */
  | { readonly purpose: 'retired-kek'; readonly kekVersion: number }
  /** A tenant's shares, sealed to the one-time key of the ledger that takes them back. */
  | { readonly purpose: 'restored-shares'; readonly tenantId: string; readonly offerId: string }

const LABEL = utf8('flarewatch/backup/v1')

type SealInput = { readonly publicKey: Uint8Array; readonly context: BackupContext; readonly plaintext: Uint8Array }
type OpenInput = { readonly privateKey: Uint8Array; readonly context: BackupContext; readonly sealed: Uint8Array }

export function sealForBackup({ publicKey, context, plaintext }: SealInput): Promise<Uint8Array> {
  return hpkeSeal({ publicKey, info: backupInfo(context), plaintext })
}

/** For test vectors alone. */
export function sealForBackupWithEphemeral(input: SealInput, ephemeral: Uint8Array): Promise<Uint8Array> {
  const { publicKey, context, plaintext } = input
  return hpkeSealWithEphemeral({ publicKey, info: backupInfo(context), plaintext }, ephemeral)
}

export async function openFromBackup({
  privateKey,
  context,
  sealed,
}: OpenInput): Promise<Result<Uint8Array, 'not_openable'>> {
  const opened = await hpkeOpen({ privateKey, info: backupInfo(context), sealed })
  return opened.ok ? opened : failure('not_openable')
}

/** The recipient's key needs no place here: HPKE itself binds it (RFC 9180 section 4.1, kem_context). */
export function backupInfo(context: BackupContext): Uint8Array {
  const { tenant, subject } = placeOf(context)
  return lengthPrefixed(LABEL, utf8(context.purpose), tenant, subject)
}

function placeOf(context: BackupContext): { tenant: Uint8Array; subject: Uint8Array } {
  switch (context.purpose) {
    case 'tenant-shares':
      return { tenant: uuidToBytes(context.tenantId), subject: uuidToBytes(context.backupId) }
    case 'retired-kek':
      return { tenant: new Uint8Array(), subject: u32be(context.kekVersion) }
    case 'restored-shares':
      return { tenant: uuidToBytes(context.tenantId), subject: uuidToBytes(context.offerId) }
  }
}
