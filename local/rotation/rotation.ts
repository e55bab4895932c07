import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { checkout } from '../supervisor/checkout.ts'
import { type RotationReport, runRotation, type Scale } from './run.ts'

/** `npm run rotation`: `--scale full` rotates 10,000 credentials and writes the proof. */
class UsageError extends Error {}

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const DEFAULT_SEED = 1
const PROOF = checkout('docs/proofs/rotation.json')

const json = process.argv.includes('--json')
const say = (line: string) => void process.stderr.write(`${line}\n`)
try {
  const { scale, seed } = readArguments(process.argv.slice(2))
  const commit = currentCommit()
  const began = Date.now()
  const report = await runRotation({ scale, seed, say })
  if (scale === 'full' && report.ok) writeProof(report, { commit, ms: Date.now() - began })
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : summary(report))
  process.exitCode = report.ok ? 0 : EXIT_FAILED
} catch (error) {
  const code = error instanceof UsageError ? 'usage' : 'failed'
  const message = error instanceof Error ? error.message : String(error)
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message } })}\n`)
  say(`${code}: ${message}`)
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED
}

function readArguments(args: readonly string[]): { scale: Scale; seed: number } {
  try {
    const options = { scale: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean' } } as const
    const { values } = parseArgs({ args: [...args], options })
    const { scale = 'ci' } = values
    const seed = Number(values.seed ?? DEFAULT_SEED)
    if (!Number.isSafeInteger(seed) || seed < 0) throw new Error('--seed takes a whole number')
    if (scale !== 'ci' && scale !== 'full') throw new Error('--scale takes ci or full')
    return { scale, seed }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${message}. Flags: --seed N, --scale ci|full, --json`)
  }
}

/** Asked before the run: the one that its code is of. A checkout without its history has none. */
function currentCommit(): string | null {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}

function writeProof(report: RotationReport, ran: { readonly commit: string | null; readonly ms: number }): void {
  mkdirSync(dirname(PROOF), { recursive: true })
  writeFileSync(PROOF, `${JSON.stringify({ at: new Date().toISOString(), ...ran, ...report }, null, 2)}\n`)
}

function summary(report: RotationReport): string {
  const { credentials, tenants, kills, releases_meanwhile: meanwhile, releases_afterwards: afterwards } = report
  const lines = [
    `${credentials} credentials of ${tenants} tenants moved to a new KEK in ${report.rotation_ms} ms, with workerd killed ${kills} times`,
    `meanwhile ${meanwhile.released} releases, ${meanwhile.refused} refused, ${meanwhile.asked_again} asked again`,
    `afterwards ${afterwards.released} of ${credentials} records opened; ciphertexts ${report.ciphertexts_unchanged ? 'unchanged' : 'CHANGED'}`,
    report.ok ? 'ok' : 'NOT OK',
  ]
  return `${lines.join('\n')}\n`
}
