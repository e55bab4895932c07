import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Scale } from './plan.ts'
import { type Report, runMatrix } from './run.ts'

/** `npm run kills`: the kill matrix on a stack of its own. `--scale full` also writes the proof. */
class UsageError extends Error {}

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const DEFAULT_SEED = 1
const PROOF = join(import.meta.dirname, '../../docs/proofs/kill-matrix.json')

const json = process.argv.includes('--json')
const say = (line: string) => void process.stderr.write(`${line}\n`)
// The stack is ended by its own exit hook.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(EXIT_FAILED))
try {
  const { seed, scale } = readArguments(process.argv.slice(2))
  const began = Date.now()
  const commit = currentCommit()
  const report = await runMatrix({ seed, scale, say })
  if (scale === 'full' && report.ok) writeProof(report, { commit, ms: Date.now() - began })
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : summary(report))
  process.exitCode = report.ok ? 0 : EXIT_FAILED
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof UsageError ? 'usage' : 'failed'
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message } })}\n`)
  say(`${code}: ${message}`)
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED
}

function readArguments(args: readonly string[]): { seed: number; scale: Scale } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { seed: { type: 'string' }, scale: { type: 'string' }, json: { type: 'boolean' } },
    })
    const seed = Number(values.seed ?? DEFAULT_SEED)
    const { scale = 'ci' } = values
    if (!Number.isSafeInteger(seed) || seed < 0) throw new Error('--seed takes a whole number')
    if (scale !== 'ci' && scale !== 'full') throw new Error('--scale takes ci or full')
    return { seed, scale }
  } catch (error) {
    throw new UsageError(
      `${error instanceof Error ? error.message : String(error)}. Flags: --seed N, --scale ci|full, --json`,
    )
  }
}

/** Asked before the run: the one that its code is of. A checkout without its history has none. */
function currentCommit(): string | null {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}

function writeProof({ dir: _, ...report }: Report, ran: { readonly commit: string | null; readonly ms: number }): void {
  mkdirSync(join(PROOF, '..'), { recursive: true })
  writeFileSync(PROOF, `${JSON.stringify({ at: new Date().toISOString(), ...ran, ...report }, null, 2)}\n`)
}

function summary({ ok, kills, pauses, tenants, audit_rows, facts_compared, receipts, findings, dir }: Report): string {
  const lines = [
    `${kills} kills and ${pauses} pauses: ${tenants} tenants, ${audit_rows} audit rows, ${receipts} receipts, ${facts_compared} facts compared`,
    ...findings.map((finding) => `  ${finding}`),
    ok ? 'ok: nothing was lost, doubled, forked or stuck' : `NOT OK; the stack's folder is kept: ${dir}`,
  ]
  return `${lines.join('\n')}\n`
}
