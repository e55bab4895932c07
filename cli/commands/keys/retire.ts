import { join } from 'node:path'
import { BACKUP_WINDOW_MS } from '../../../domain/contracts/kek-versions.ts'
import { formatVkey, signNote } from '../../../domain/note/signed-note.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS, operatorSigner } from '../../operator.ts'
import { writePrivately } from '../../private-file.ts'
import { parseVersion } from './version.ts'

/** V4: ends with a census that vault and operator both counted and the operator signed. */
export const keysRetire: Command = {
  usage: 'flarewatch keys retire N [--vault URL]',
  summary: 'operator: end a KEK version that no row and no backup needs any more, with a signed census',
  options: OPERATOR_OPTIONS,
  positionals: 1,
  async run(args: Arguments) {
    const version = parseVersion(args.positionals[0])
    const signer = await operatorSigner(args.dir)
    const { text } = await askOperatorDoor(args, 'kek-census', { version })
    const census = await signNote(text, [signer])
    const retired = await askOperatorDoor(args, 'kek-retire', { version, census }).catch((error: unknown) =>
      explained(args, version, error),
    )
    const path = join(args.dir, 'census', `kek.v${version}.note`)
    writePrivately(path, retired.census)
    const vkey = formatVkey(signer)
    return {
      document: { ok: true, version, retired: true, census: retired.census, path, vkey },
      text: [
        `KEK version ${version} is retired and opens nothing, wherever it is still bound.`,
        `The census is in ${path}, signed by ${vkey}`,
        `For a deployment: npx wrangler secret delete KEK_V${version} --config workers/vault/wrangler.toml`,
      ].join('\n'),
      exit: EXIT.ok,
    }
  },
}

async function explained(args: Arguments, version: number, error: unknown): Promise<never> {
  if (!(error instanceof CommandRefused)) throw error
  const { versions } = await askOperatorDoor(args, 'kek-status', {})
  const emptied = versions.find((line) => line.version === version)?.emptied_at ?? null
  throw new CommandRefused(error.code, adviceFor(error, version, emptied))
}

function adviceFor({ code, message }: CommandRefused, version: number, emptiedAt: string | null): string {
  if (code === 'kek_wraps') return `KEK version ${version} wraps what is new. Rotate first: flarewatch keys rotate`
  if (code === 'kek_in_use') {
    return `Rows are under KEK version ${version}, or a seal of the last minutes may still be. Rotate first: flarewatch keys rotate`
  }
  if (code !== 'kek_backup_window' || emptiedAt === null) return message
  const until = new Date(Date.parse(emptiedAt) + BACKUP_WINDOW_MS).toISOString()
  return `A backup may still need KEK version ${version}: the last row left it at ${emptiedAt}, so it can be retired from ${until} on`
}
