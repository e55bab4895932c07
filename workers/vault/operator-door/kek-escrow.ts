import { backupKeyId, parseBackupPublicKey } from '../../../domain/backup/key.ts'
import { sealForBackup } from '../../../domain/backup/seal.ts'
import { toBase64Url } from '../../../domain/bytes.ts'
import { failure, success } from '../../../domain/result.ts'
import { boundKek, moveKek } from './kek-states.ts'
import type { Operation } from './operation.ts'

/**
 * A KEK that a backup may still need, sealed to the key that this deployment was configured with: who has the operator's key alone
 * cannot name another. It is noted first, so that none leaves unnoted.
 */
export const kekEscrow: Operation<'kek-escrow'> = async (visit, { version }) => {
  const { BACKUP_PUBLIC_KEY } = visit.bindings
  if (BACKUP_PUBLIC_KEY === '') return failure('backup_key_missing')
  const publicKey = parseBackupPublicKey(BACKUP_PUBLIC_KEY)
  if (!publicKey.ok) return publicKey
  const kek = await boundKek(visit, version)
  if (!kek.ok) return kek
  const keyId = backupKeyId(publicKey.value)
  const noted = await moveKek(visit, (versions) => versions.noteEscrow(version, keyId))
  if (!noted.ok) return noted
  const context = { purpose: 'retired-kek', kekVersion: version } as const
  const sealed = await sealForBackup({ publicKey: publicKey.value, context, plaintext: kek.value.bytes })
  return success({ key_id: keyId, sealed: toBase64Url(sealed) })
}
