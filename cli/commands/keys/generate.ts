import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { toBase64Url, zeroize } from '../../../domain/bytes.ts'
import { generateKek } from '../../../domain/envelope/kek.ts'
import { type Answer, type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { operatorKeyPath } from '../../operator.ts'
import { writeOnce } from '../../private-file.ts'
import { parseVersion } from './version.ts'

/** S2: there is no default KEK. The operator makes one, and it is never printed, only written. */
export const keysGenerate: Command = {
  usage: 'flarewatch keys generate [--version N | --operator]',
  summary: "make a key encryption key, or the operator's own key, in DIR/secrets",
  options: { version: { type: 'string' }, operator: { type: 'boolean', default: false } },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    if (!values.operator) return newKek(dir, parseVersion(values.version ?? '1'))
    if (values.version === undefined) return newOperatorKey(dir)
    throw new CommandRefused('usage', "The operator's key has no version", EXIT.usage)
  },
}

function newKek(dir: string, version: number): Answer {
  const path = join(dir, 'secrets', `kek.v${version}`)
  const key = generateKek()
  const written = writeOnce(path, `# Flarewatch key encryption key, version ${version}\n${toBase64Url(key)}\n`)
  zeroize(key)
  if (!written) {
    const message = `${path} exists and is not overwritten. A further version: flarewatch keys generate --version ${version + 1}`
    throw new CommandRefused('kek_exists', message)
  }
  return {
    document: { ok: true, version, path },
    text: [
      `KEK version ${version} is in ${path}`,
      'Keep a copy where neither the database nor its backups are: without it nothing stored can be opened.',
      `For a deployment: npx wrangler secret put KEK_V${version} --config workers/vault/wrangler.toml`,
    ].join('\n'),
    exit: EXIT.ok,
  }
}

/** A stack on this machine makes its own at first boot; a deployment's operator makes it here. */
async function newOperatorKey(dir: string): Promise<Answer> {
  const path = operatorKeyPath(dir)
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true })
  const publicJwk = await exportJWK(publicKey)
  if (!writeOnce(path, `${JSON.stringify(await exportJWK(privateKey))}\n`)) {
    throw new CommandRefused('operator_key_exists', `${path} exists and is not overwritten`)
  }
  return {
    document: { ok: true, path, public_key: publicJwk },
    text: [
      `The operator's key is in ${path}. Whoever has it can freeze tenants and rotate keys.`,
      `For a deployment, the vault's variable OPERATOR_PUBLIC_KEY: ${JSON.stringify(publicJwk)}`,
    ].join('\n'),
    exit: EXIT.ok,
  }
}
