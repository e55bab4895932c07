import { join } from 'node:path'
import { toBase64Url, zeroize } from '../../../domain/bytes.ts'
import { writeOnce } from '../../private-file.ts'

/** Where a stack on DIR looks for a version at its start. */
export function kekPath(dir: string, version: number): string {
  return join(dir, 'secrets', `kek.v${version}`)
}

/** Writes the key and zeroes it. Null, and nothing is written, where the version has a file already. */
export function keepKek(dir: string, version: number, key: Uint8Array): string | null {
  const path = kekPath(dir, version)
  const written = writeOnce(path, `# Flarewatch key encryption key, version ${version}\n${toBase64Url(key)}\n`)
  zeroize(key)
  return written ? path : null
}
