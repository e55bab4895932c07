import { chmodSync, closeSync, fsyncSync, linkSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { toBase64Url, zeroize } from '../../../domain/bytes.ts'
import { generateKek } from '../../../domain/envelope/kek.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'

/** As many digits as the vault reads in a binding's name. */
const MAX_VERSION = 999_999_999

/** S2: there is no default KEK. The operator makes one, and it is never printed, only written. */
export const keysGenerate: Command = {
  usage: 'flarewatch keys generate [--version N]',
  summary: 'make a key encryption key in DIR/secrets',
  options: { version: { type: 'string', default: '1' } },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    const version = parseVersion(values.version)
    const path = writeKek(dir, version)
    return {
      document: { ok: true, version, path },
      text: [
        `KEK version ${version} is in ${path}`,
        'Keep a copy where neither the database nor its backups are: without it nothing stored can be opened.',
        `For a deployment: npx wrangler secret put KEK_V${version} --config workers/vault/wrangler.toml`,
      ].join('\n'),
      exit: EXIT.ok,
    }
  },
}

function parseVersion(text: unknown): number {
  const version = typeof text === 'string' && /^[1-9]\d{0,9}$/.test(text) ? Number(text) : Number.NaN
  if (version <= MAX_VERSION) return version
  throw new CommandRefused('usage', '--version is a whole number from 1', EXIT.usage)
}

function writeKek(dir: string, version: number): string {
  const secrets = join(dir, 'secrets')
  mkdirSync(secrets, { recursive: true, mode: 0o700 })
  chmodSync(secrets, 0o700)
  const path = join(secrets, `kek.v${version}`)
  const draft = join(secrets, `.kek.v${version}.${process.pid}`)
  try {
    writeDurably(draft, `# Flarewatch key encryption key, version ${version}\n`, generateKek())
    // Unlike a rename, a link never replaces what is there: two that run at once cannot both win.
    linkSync(draft, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    const message = `${path} exists and is not overwritten. A further version: flarewatch keys generate --version ${version + 1}`
    throw new CommandRefused('kek_exists', message)
  } finally {
    rmSync(draft, { force: true })
  }
  return path
}

function writeDurably(path: string, comment: string, key: Uint8Array): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    writeSync(file, `${comment}${toBase64Url(key)}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
    zeroize(key)
  }
}
