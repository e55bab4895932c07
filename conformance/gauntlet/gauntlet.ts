import { attach } from '../canary/attach.ts'
import { readArguments, UsageError } from './arguments.ts'
import { currentCommit, writeDocument } from './document.ts'
import type { Report } from './report.ts'
import { runGauntlet } from './run.ts'

/** `npm run gauntlet`: forges audit logs on a running stack and demands that each forgery is raised. Imports none of our code. */
const EXIT_FAILED = 1
const EXIT_USAGE = 2

const json = process.argv.includes('--json')
const say = (line: string) => void process.stderr.write(`${line}\n`)
try {
  const { dir, seed, scale } = readArguments(process.argv.slice(2))
  const commit = currentCommit()
  const { run, stop } = await attach(dir)
  const { report, tries } = await runGauntlet({ dir, run, seed, scale, say }).finally(stop)
  if (scale === 'full' && report.ok) writeDocument(report, tries, commit)
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : summary(report))
  process.exitCode = report.ok ? 0 : EXIT_FAILED
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  const code = codeOf(error)
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message } })}\n`)
  say(`${code}: ${message}`)
  process.exitCode = code === 'usage' ? EXIT_USAGE : EXIT_FAILED
}

function codeOf(error: unknown): string {
  if (error instanceof UsageError) return 'usage'
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'failed'
}

function summary({ ok, cases, vault, false_alarms, untouched_runs, tenants, rows, findings }: Report): string {
  const lines = [
    `${rows} rows of ${tenants} tenants`,
    ...cases.map(({ kind, tries, detected, ms, by }) => `  ${kind.padEnd(42)} ${detected}/${tries} by ${by}, ${ms} ms`),
    ...vault.map(({ kind, tries, refused, ms }) => `  ${kind.padEnd(42)} ${refused}/${tries} refused, ${ms} ms`),
    `${false_alarms} false alarms in ${untouched_runs} untouched runs and after each forgery`,
    ...findings.map((finding) => `  ${finding}`),
    ok ? 'ok: every forgery was raised, and nothing else' : 'NOT OK',
  ]
  return `${lines.join('\n')}\n`
}
