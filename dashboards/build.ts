import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** Builds `dashboards/out`, unless what stands there was built from the same inputs. `npm install` and the demo call it. */

const FOLDER = import.meta.dirname
const REPOSITORY = join(FOLDER, '..')
const DIGEST_FILE = join(FOLDER, 'out', '.digest')
const TURN_FILE = join(REPOSITORY, 'node_modules', '.cache', 'flarewatch', 'dashboard-build')
const TURN_POLL_MS = 200
const TURN_TIMEOUT_MS = 120_000
/** All that a build reads. The lock file stands for every package. */
const INPUTS = [
  'dashboards/**/*.{ts,tsx,css,js,svg,json}',
  'dashboards/public/**/*',
  'domain/**/*.ts',
  'package-lock.json',
  'tsconfig.base.json',
]
const NO_INPUT = /(^|\/)(out|\.next|node_modules)\/|\.test\.tsx?$|next-env\.d\.ts$/

export type BuildOutcome = { readonly built: boolean }

export async function buildDashboard(): Promise<BuildOutcome> {
  if (builtDigest() === inputDigest()) return { built: false }
  const release = await takeTurn()
  try {
    const digest = inputDigest()
    if (builtDigest() === digest) return { built: false }
    // Without its digest a half-made folder is never taken for a whole one.
    rmSync(DIGEST_FILE, { force: true })
    await runNext()
    writeFileSync(DIGEST_FILE, digest)
    return { built: true }
  } finally {
    release()
  }
}

/** Two demos of one checkout may start together, and Next.js refuses a second build: the later one waits here. */
async function takeTurn(): Promise<() => void> {
  mkdirSync(dirname(TURN_FILE), { recursive: true })
  const deadline = performance.now() + TURN_TIMEOUT_MS
  while (!claimTurn()) {
    if (!isRunning(turnHolder())) rmSync(TURN_FILE, { force: true })
    else if (performance.now() > deadline) throw new Error(`another build does not end; it holds ${TURN_FILE}`)
    else await setTimeout(TURN_POLL_MS)
  }
  return () => rmSync(TURN_FILE, { force: true })
}

function claimTurn(): boolean {
  try {
    writeFileSync(TURN_FILE, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

function turnHolder(): number {
  try {
    return Number(readFileSync(TURN_FILE, 'utf8'))
  } catch {
    return 0
  }
}

/** An empty file is one that its holder is about to fill. */
function isRunning(pid: number): boolean {
  if (pid === 0) return true
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
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
