import { backupKeyId, parseBackupPublicKey } from '../domain/backup/key.ts'
import type { BackupKeyRefusal } from '../domain/contracts/durable-objects.ts'
import { failure, type Result, success } from '../domain/result.ts'
import type { HostBindings } from './bindings.ts'

export type BackupKey = { readonly publicKey: Uint8Array; readonly keyId: string }

/** The key that this host seals to. There is none unless the operator has made one: nothing is ever sealed to a default. */
export function backupKeyOf({ BACKUP_PUBLIC_KEY }: HostBindings): Result<BackupKey, BackupKeyRefusal> {
  if (BACKUP_PUBLIC_KEY === undefined) return failure('backup_key_missing')
  const publicKey = parseBackupPublicKey(BACKUP_PUBLIC_KEY)
  return publicKey.ok ? success({ publicKey: publicKey.value, keyId: backupKeyId(publicKey.value) }) : publicKey
}
