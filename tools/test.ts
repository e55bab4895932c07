import { spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { currentCommit } from './commitments/checkout.ts'
import { clearResults, keepResults, parseReport } from './commitments/results.ts'
import { failuresIn } from './failures.ts'

/** `npm test`: every suite on the runtime that it speaks for. Arguments go to each vitest run, e.g. `npm test -- -t L2`. */
const require = createRequire(import.meta.url)
const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs')
const deno = join(dirname(require.resolve('deno/package.json')), 'deno')

const SUITES: Record<string, readonly string[]> = {
  'rooms on Node, Postgres and workerd': [process.execPath, vitest, 'run', ...projects('domain', 'sql', 'rooms')],
  'whole stack and browser': [process.execPath, vitest, 'run', ...projects('whole stack')],
  'boot and kill': [process.execPath, vitest, 'run', ...projects('own stack')],
  'domain on workerd': [process.execPath, vitest, 'run', '--config', 'vitest.workerd.config.ts'],
  'domain on Deno': [
    deno,
    'run',
    '-A',
    '--no-prompt',
    '--node-modules-dir=manual',
    '--no-lock',
    vitest,
    'run',
    '--config',
    'vitest.domain.config.ts',
  ],
}

/**
 * The room tests keep every core busy, so that they go alone. Those on a stack wait most of the time: for a browser, a lease, a cron.
 */
const TURNS: readonly (readonly string[])[] = [
  ['rooms on Node, Postgres and workerd'],
  ['whole stack and browser', 'boot and kill'],
  ['domain on workerd', 'domain on Deno'],
]

function projects(...names: readonly string[]): string[] {
  return names.flatMap((name) => ['--project', name])
}

const Report = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  success: z.boolean(),
})
type Counts = { passed: number; failed: number; skipped: number }

const root = dirname(import.meta.dirname)
const commit = currentCommit(root)
const wanted = process.argv.slice(2)
const isPartial = wanted.length > 0
const scratch = mkdtempSync(join(tmpdir(), 'flarewatch-test-'))
const total: Counts = { passed: 0, failed: 0, skipped: 0 }
/** Said once more at the end, which is what a log that was cut still holds. */
const failures: string[] = []
if (!isPartial) clearResults(root)
try {
  for (const suites of TURNS) for (const counts of await Promise.all(suites.map(runSuite))) add(counts)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
for (const failure of failures) console.log(`\n${failure}`)
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed === 0 ? 0 : 1

async function runSuite(suite: string): Promise<Counts> {
  console.log(`\n=== ${suite} begins`)
  const [program = '', ...args] = SUITES[suite] ?? []
  const output = join(scratch, `${suite.replace(/\W+/g, '-')}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`]
  const { status, said } = await finished(program, [
    ...args,
    ...reporters,
    ...wanted,
    ...(isPartial ? ['--passWithNoTests'] : []),
  ])
  console.log(`\n=== ${suite}\n${said}`)
  keepForCommitments(suite, output)
  failures.push(...failuresIn(suite, output))
  const counts = readCounts(output)
  // A runner that broke without counting a failure is a failure all the same.
  return { ...counts, failed: counts.failed === 0 && status !== 0 ? 1 : counts.failed }
}

/** What it says is shown whole when it has ended: another suite speaks at the same time. */
async function finished(program: string, args: readonly string[]): Promise<{ status: number | null; said: string }> {
  const child = spawn(program, args, {
    stdio: ['inherit', 'pipe', 'pipe'],
    env: { ...process.env, DENO_NO_UPDATE_CHECK: '1', DENO_DIR: join(scratch, 'deno') },
  })
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const status = await new Promise<number | null>((closed) => child.once('close', closed))
  return { status, said: Buffer.concat(chunks).toString('utf8') }
}

function readCounts(path: string): Counts {
  try {
    const report = Report.parse(JSON.parse(readFileSync(path, 'utf8')))
    return { passed: report.numPassedTests, failed: report.numFailedTests, skipped: report.numPendingTests }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

/** `npm run commitments` reads what is kept here. With arguments, only some tests ran. */
function keepForCommitments(suite: string, output: string): void {
  const run = { suite, root, ran_at: new Date().toISOString(), commit }
  try {
    keepResults(root, { suite, tests: parseReport(readFileSync(output, 'utf8'), run), partial: isPartial })
  } catch {
    // Without a report nothing is known of this suite's tests, and nothing is kept.
  }
}

function add(counts: Counts): void {
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
  const report = process.env.FLAREWATCH_TEST_REPORT
  if (report !== undefined) appendFileSync(report, `${JSON.stringify(counts)}\n`)
}
