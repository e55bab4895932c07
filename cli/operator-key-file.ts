import { type ScryptOptions, scrypt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { fromBase64Url, lengthPrefixed, randomBytes, toBase64Url, utf8, zeroize } from '../domain/bytes.ts'
import { decrypt, encrypt, KEY_BYTES, NONCE_BYTES } from '../domain/envelope/primitives.ts'
import { OPERATOR_SEED_BYTES, type OperatorKey, operatorKeyOf, zeroizeOperatorKey } from '../domain/operator-key/key.ts'
import { formatOperatorPublicKey, parseOperatorPublicKey } from '../domain/operator-key/public-key.ts'
import { CommandRefused, EXIT } from './command.ts'
import { writeNew } from './private-file.ts'
import { askPerson } from './prompt.ts'

const PASSPHRASE_VARIABLE = 'FLAREWATCH_OPERATOR_PASSPHRASE'
const SHORTEST_PASSPHRASE = 12
const SALT_BYTES = 16
/** 128 MiB and about half a second a guess: what OWASP asks of scrypt. */
const SCRYPT: ScryptOptions = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 }
const LABEL = utf8('flarewatch/operator-key-file/v1')

const KeyFile = z.strictObject({
  flarewatch_operator_key: z.literal(1),
  public_key: z.string(),
  kdf: z.literal('scrypt-17-8-1'),
  salt: z.base64url(),
  nonce: z.base64url(),
  sealed: z.base64url(),
})
type KeyFile = z.infer<typeof KeyFile>

export function operatorKeyPath(dir: string, named: string | boolean | undefined): string {
  return typeof named === 'string' ? named : join(dir, 'secrets', 'operator-key.json')
}

/** Makes a key, and a file that only its owner reads and that its passphrase opens. Gives the public half. */
export async function makeOperatorKey(path: string): Promise<Uint8Array> {
  const passphrase = await newPassphrase()
  const seed = randomBytes(OPERATOR_SEED_BYTES)
  try {
    const key = await operatorKeyOf(seed)
    zeroizeOperatorKey(key)
    const file = await sealed(seed, key.publicKey, passphrase)
    if (!written(path, `${JSON.stringify(file, null, 2)}\n`)) {
      throw new CommandRefused('operator_key_exists', `${path} exists and is not overwritten`)
    }
    return key.publicKey
  } finally {
    zeroize(seed)
  }
}

/** The public half, which needs no passphrase; null where there is no file. */
export function findOperatorPublicKey(path: string): Uint8Array | null {
  const file = parsed(path)
  return file === null ? null : publicKeyOf(file, path)
}

/** Both halves. Whoever gets them zeroes them. */
export async function unlockOperatorKey(path: string): Promise<OperatorKey> {
  const file = parsed(path)
  if (file === null) {
    throw new CommandRefused(
      'operator_key_missing',
      `There is no operator key in ${path}. Make one: flarewatch operator enrol`,
    )
  }
  const publicKey = publicKeyOf(file, path)
  const passphrase = process.env[PASSPHRASE_VARIABLE] ?? (await ask(`Passphrase of ${path}: `))
  const [salt, nonce, ciphertext] = [bytesOf(file.salt, path), bytesOf(file.nonce, path), bytesOf(file.sealed, path)]
  const key = await derived(passphrase, salt)
  try {
    const seed = await decrypt({ key, nonce, aad: aadOf(publicKey) }, ciphertext)
    if (!seed.ok) throw new CommandRefused('passphrase_wrong', `The passphrase does not open ${path}`)
    const opened = await operatorKeyOf(seed.value)
    zeroize(seed.value)
    return opened
  } finally {
    zeroize(key)
  }
}

async function sealed(seed: Uint8Array, publicKey: Uint8Array, passphrase: string): Promise<KeyFile> {
  const [salt, nonce] = [randomBytes(SALT_BYTES), randomBytes(NONCE_BYTES)]
  const key = await derived(passphrase, salt)
  try {
    const ciphertext = await encrypt({ key, nonce, aad: aadOf(publicKey) }, seed)
    return {
      flarewatch_operator_key: 1,
      public_key: formatOperatorPublicKey(publicKey),
      kdf: 'scrypt-17-8-1',
      salt: toBase64Url(salt),
      nonce: toBase64Url(nonce),
      sealed: toBase64Url(ciphertext),
    }
  } finally {
    zeroize(key)
  }
}

/** A file whose public half was changed does not open. */
function aadOf(publicKey: Uint8Array): Uint8Array {
  return lengthPrefixed(LABEL, publicKey)
}

function derived(passphrase: string, salt: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFKC'), salt, KEY_BYTES, SCRYPT, (error, key) =>
      error === null ? resolve(new Uint8Array(key)) : reject(error),
    )
  })
}

async function newPassphrase(): Promise<string> {
  const given = process.env[PASSPHRASE_VARIABLE]
  const passphrase = given ?? (await ask('New passphrase for the operator key: '))
  if (passphrase.length < SHORTEST_PASSPHRASE) {
    throw new CommandRefused(
      'passphrase_short',
      `A passphrase has at least ${SHORTEST_PASSPHRASE} characters`,
      EXIT.usage,
    )
  }
  if (given === undefined && (await ask('The same once more: ')) !== passphrase) {
    throw new CommandRefused('passphrase_differs', 'The two passphrases differ; no key was made', EXIT.usage)
  }
  return passphrase
}

function ask(question: string): Promise<string> {
  return askPerson(question, PASSPHRASE_VARIABLE, { hidden: true })
}

function written(path: string, text: string): boolean {
  try {
    return writeNew(path, text)
  } catch {
    throw new CommandRefused('file_unwritable', `${path} cannot be written`)
  }
}

function parsed(path: string): KeyFile | null {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new CommandRefused('file_unreadable', `${path} cannot be read`)
  }
  try {
    return KeyFile.parse(JSON.parse(text))
  } catch {
    throw malformed(path)
  }
}

function publicKeyOf({ public_key }: KeyFile, path: string): Uint8Array {
  const publicKey = parseOperatorPublicKey(public_key)
  if (!publicKey.ok) throw malformed(path)
  return publicKey.value
}

function bytesOf(text: string, path: string): Uint8Array {
  const bytes = fromBase64Url(text)
  if (!bytes.ok) throw malformed(path)
  return bytes.value
}

function malformed(path: string): CommandRefused {
  return new CommandRefused('operator_key_malformed', `${path} is not an operator key file`)
}
