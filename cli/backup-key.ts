import { readFileSync } from 'node:fs'
import { parseBackupPrivateKey } from '../domain/backup/key.ts'
import { CommandRefused, EXIT } from './command.ts'

export type BackupKeyPair = { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array }

/** A key file has the key in one line; the others are blank or comments. */
export async function readBackupKey(path: unknown): Promise<BackupKeyPair> {
  if (typeof path !== 'string') throw new CommandRefused('usage', '--key names the backup key file', EXIT.usage)
  const pair = await parseBackupPrivateKey(keyLine(textOf(path)))
  if (pair.ok) return pair.value
  throw new CommandRefused('backup_key_malformed', `${path} is not the private half of a backup key`)
}

function keyLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim())
  return lines.filter((line) => line !== '' && !line.startsWith('#')).join(' ')
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new CommandRefused('file_unreadable', `${path} cannot be read`)
  }
}
