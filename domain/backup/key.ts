import { sha256 } from '@noble/hashes/sha2.js'
import { fromBase64Url, lengthPrefixed, toBase64Url, toHex, utf8 } from '../bytes.ts'
import { HPKE_KEY_BYTES, publicHalf } from '../hpke.ts'
import { failure, type Result, success } from '../result.ts'

/**
 * The operator's backup key, as text. The halves have prefixes of their own, so that neither passes for the other: a
 * private half that is put where the public one belongs is refused, and a secret scanner finds it.
 */
const PUBLIC_PREFIX = 'fwbk_pub_'
const PRIVATE_PREFIX = 'fwbk_sec_'
const KEY_ID_LABEL = utf8('flarewatch/backup-key/v1')
const KEY_ID_BYTES = 8

export function formatBackupPublicKey(publicKey: Uint8Array): string {
  return `${PUBLIC_PREFIX}${toBase64Url(publicKey)}`
}

export function formatBackupPrivateKey(privateKey: Uint8Array): string {
  return `${PRIVATE_PREFIX}${toBase64Url(privateKey)}`
}

export function parseBackupPublicKey(text: string): Result<Uint8Array, 'backup_key_malformed'> {
  return parse(PUBLIC_PREFIX, text)
}

/** Both halves: the private one opens, the public one says whether it is the key that a file was sealed to. */
export async function parseBackupPrivateKey(
  text: string,
): Promise<Result<{ readonly privateKey: Uint8Array; readonly publicKey: Uint8Array }, 'backup_key_malformed'>> {
  const privateKey = parse(PRIVATE_PREFIX, text)
  if (!privateKey.ok) return privateKey
  const publicKey = await publicHalf(privateKey.value)
  return publicKey.ok
    ? success({ privateKey: privateKey.value, publicKey: publicKey.value })
    : failure('backup_key_malformed')
}

/** Tells one backup key from another, in a file and on paper. 16 hexadecimal digits. */
export function backupKeyId(publicKey: Uint8Array): string {
  return toHex(sha256(lengthPrefixed(KEY_ID_LABEL, publicKey)).subarray(0, KEY_ID_BYTES))
}

function parse(prefix: string, text: string): Result<Uint8Array, 'backup_key_malformed'> {
  if (!text.startsWith(prefix)) return failure('backup_key_malformed')
  const bytes = fromBase64Url(text.slice(prefix.length))
  if (!bytes.ok || bytes.value.length !== HPKE_KEY_BYTES) return failure('backup_key_malformed')
  // No generator yields one repeated byte; a placeholder does.
  if (bytes.value.every((byte) => byte === bytes.value[0])) return failure('backup_key_malformed')
  return success(bytes.value)
}
