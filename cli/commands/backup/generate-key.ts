import { isAbsolute, join, relative, resolve } from 'node:path'
import { backupKeyId, formatBackupPrivateKey, formatBackupPublicKey } from '../../../domain/backup/key.ts'
import { zeroize } from '../../../domain/bytes.ts'
import { generateHpkeKeyPair } from '../../../domain/hpke.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { writeNew, writeOnce } from '../../private-file.ts'

/** V2: who has this key, a backup and the KEK has everything; so its private half goes where the operator says, and nowhere else. */
export const backupGenerateKey: Command = {
  usage: 'flarewatch backup generate-key --out FILE [--in-data-directory]',
  summary: "operator: make the key pair that the ledgers' shares are backed up to",
  options: { out: { type: 'string' }, 'in-data-directory': { type: 'boolean', default: false } },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    if (typeof values.out !== 'string') throw new CommandRefused('usage', '--out says where the key goes', EXIT.usage)
    const path = resolve(values.out)
    if (isWithin(dir, path) && values['in-data-directory'] !== true) {
      const message = `${path} is in the data directory, beside what the key protects. Keep it elsewhere, or say --in-data-directory`
      throw new CommandRefused('backup_key_in_data_directory', message, EXIT.usage)
    }
    const { publicKey, privateKey } = await generateHpkeKeyPair()
    const keyId = backupKeyId(publicKey)
    const text = `# Flarewatch backup key ${keyId}, private half\n${formatBackupPrivateKey(privateKey)}\n`
    zeroize(privateKey)
    if (!writeKey(path, text)) {
      throw new CommandRefused('backup_key_exists', `${path} exists and is not overwritten`)
    }
    const publicText = formatBackupPublicKey(publicKey)
    const publicPath = join(dir, 'secrets', 'backup.pub')
    const inUse = writeOnce(publicPath, `${publicText}\n`)
    return {
      document: { ok: true, path, key_id: keyId, public_key: publicText, public_path: inUse ? publicPath : null },
      text: textOf({ path, keyId, publicText, publicPath, inUse }),
      exit: EXIT.ok,
    }
  },
}

function isWithin(dir: string, path: string): boolean {
  const way = relative(dir, path)
  return !way.startsWith('..') && !isAbsolute(way)
}

function writeKey(path: string, text: string): boolean {
  try {
    return writeNew(path, text)
  } catch {
    throw new CommandRefused('file_unwritable', `${path} cannot be written`)
  }
}

type Made = {
  readonly path: string
  readonly keyId: string
  readonly publicText: string
  readonly publicPath: string
  readonly inUse: boolean
}

function textOf({ path, keyId, publicText, publicPath, inUse }: Made): string {
  return [
    `The private half of backup key ${keyId} is in ${path}.`,
    'Keep it offline, with a copy, away from the KEK and from the backups: it opens them, and nothing else does.',
    inUse
      ? `A stack on this folder seals to it from its next start (${publicPath}).`
      : `${publicPath} names another key and was left: replace it by the text below to seal to this one.`,
    `For a deployment, the variable BACKUP_PUBLIC_KEY of the Durable Objects' host: ${publicText}`,
  ].join('\n')
}
