import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Plugin } from 'vitest/config'

const FILES = ['aes_gcm_test', 'ed25519_test', 'hkdf_sha256_test', 'hmac_sha256_test']
const FIXTURE = '/domain/wycheproof/files.fixture.ts'

/**
 * Vite's plugin that gives the domain suite the Wycheproof vectors where they lie (`WYCHEPROOF_DIR`). As a module, since
 * workerd has no files. Where they are missing the module stays as it is and the checks count as not run.
 */
export function wycheproof(): Plugin {
  const root = dirname(import.meta.dirname)
  const folder = process.env.WYCHEPROOF_DIR ?? join(root, '../shared/vectors/wycheproof')
  return {
    name: 'wycheproof',
    load(id) {
      if (!id.split('?')[0]?.endsWith(FIXTURE)) return null
      const paths = FILES.map((name) => join(folder, `${name}.json`))
      if (!paths.every((path) => existsSync(path))) return null
      const texts = FILES.map((name, i) => [name, readFileSync(paths[i] ?? '', 'utf8')])
      return `export const wycheproofFiles = ${JSON.stringify(Object.fromEntries(texts))}`
    },
  }
}
