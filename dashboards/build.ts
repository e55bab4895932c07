import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Builds `dashboards/out`, unless what stands there was built from the same inputs. `npm install` and the demo call it. */

const FOLDER = import.meta.dirname
const REPOSITORY = join(FOLDER, '..')
const DIGEST_FILE = join(FOLDER, 'out', '.digest')
/** All that a build reads. The lock file stands for every package. */
const INPUTS = [
  'dashboards/**/*.{ts,tsx,css,js,svg,json}',
  'dashboards/public/**/*',
  'domain/{contracts,metrics,merkle}/**/*.ts',
  'domain/*.ts',
  'package-lock.json',
  'tsconfig.base.json',
]
const NO_INPUT = /(^|\/)(out|\.next|node_modules)\/|\.test\.tsx?$|next-env\.d\.ts$/

export type BuildOutcome = { readonly built: boolean }

export async function buildDashboard(): Promise<BuildOutcome> {
  const digest = inputDigest()
  if (builtDigest() === digest) return { built: false }
  // Without its digest a half-made folder is never taken for a whole one.
  rmSync(DIGEST_FILE, { force: true })
  await runNext()
  writeFileSync(DIGEST_FILE, digest)
  return { built: true }
}

function inputDigest(): string {
  const hash = createHash('sha256').update(process.version)
  const files = globSync(INPUTS, { cwd: REPOSITORY, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(REPOSITORY, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((file) => !NO_INPUT.test(file))
  for (const file of [...new Set(files)].sort()) {
    const content = createHash('sha256')
      .update(readFileSync(join(REPOSITORY, file)))
      .digest('hex')
    hash.update(`${file}\0${content}\n`)
  }
  return hash.digest('hex')
}

function builtDigest(): string | null {
  try {
    return readFileSync(DIGEST_FILE, 'utf8')
  } catch {
    return null
  }
}

/** Next.js keeps state under the home folder and phones home by default: it gets a home of its own, and is told not to. */
async function runNext(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'flarewatch-next-'))
  const next = createRequire(import.meta.url).resolve('next/dist/bin/next')
  try {
    const child = spawn(process.execPath, [next, 'build', FOLDER], {
      cwd: REPOSITORY,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NODE_ENV: 'production',
        NEXT_TELEMETRY_DISABLED: '1',
        HOME: home,
        XDG_CONFIG_HOME: home,
        XDG_CACHE_HOME: home,
        XDG_DATA_HOME: home,
      },
    })
    const output: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
    const code = await new Promise<number | null>((ended, failed) => child.on('error', failed).on('close', ended))
    if (code !== 0) throw new Error(`next build ended with ${code}:\n${Buffer.concat(output).toString()}`)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const began = performance.now()
  const { built } = await buildDashboard()
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.error(built ? `dashboard built in ${seconds} s` : 'dashboard is up to date')
}
