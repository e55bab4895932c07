import { readFileSync } from 'node:fs'
import { backupKeyId } from '../../../domain/backup/key.ts'
import { openFromBackup } from '../../../domain/backup/seal.ts'
import { fromBase64Url } from '../../../domain/bytes.ts'
import { readBackupKey } from '../../backup-key.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { Escrow } from './escrow.ts'
import { keepKek } from './kek-file.ts'

/** Takes a retired KEK out of escrow, for an old backup whose rows are under it. No stack is asked. */
export const keysRecover: Command = {
  usage: 'flarewatch keys recover FILE --key BACKUPKEY',
  summary: 'operator: take a KEK out of escrow into DIR/secrets, for an old backup',
  options: { key: { type: 'string' } },
  positionals: 1,
  async run({ dir, values, positionals }: Arguments) {
    const escrow = readEscrow(positionals[0] ?? '')
    const { privateKey, publicKey } = await readBackupKey(values.key)
    if (backupKeyId(publicKey) !== escrow.key_id) {
      throw new CommandRefused(
        'backup_key_mismatch',
        `The escrow is sealed to backup key ${escrow.key_id}, not to this one`,
      )
    }
    const sealed = fromBase64Url(escrow.sealed)
    const context = { purpose: 'retired-kek', kekVersion: escrow.kek_version } as const
    const kek = sealed.ok ? await openFromBackup({ privateKey, context, sealed: sealed.value }) : sealed
    if (!kek.ok) throw new CommandRefused('not_openable', 'The escrow is damaged, or was sealed for another version')
    const path = keepKek(dir, escrow.kek_version, kek.value)
    if (path === null)
      throw new CommandRefused('kek_exists', `KEK version ${escrow.kek_version} is in DIR/secrets already`)
    return {
      document: { ok: true, version: escrow.kek_version, path },
      text: [
        `KEK version ${escrow.kek_version} is in ${path}. It opens nothing at any door while it is retired.`,
        `To move what a backup brought back under it: deploy it, then flarewatch keys rotate --drain ${escrow.kek_version}`,
      ].join('\n'),
      exit: EXIT.ok,
    }
  },
}

function readEscrow(path: string): Escrow {
  try {
    return Escrow.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    throw new CommandRefused('escrow_unreadable', `${path} is not the escrow of a KEK`)
  }
}
