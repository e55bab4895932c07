import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { currentCommit } from './commitments/checkout.ts'
import { readDecisionRecords, readPromises } from './commitments/promises.ts'
import { BROKEN_FILE, readResults, type TestResult } from './commitments/results.ts'
import { type CommitmentLine, commitmentTable } from './commitments/table.ts'

/** `npm run commitments`: each commitment, the tests that carry its id, and how they ended when they last ran. */
const USAGE = 'usage: npm run commitments -- [--json] [--run]\n  --run  run every test first\n'
const EXIT_USAGE = 2
const ADR_WIDTH = 16

const root = dirname(import.meta.dirname)
const { json, run } = readOptions()

if (run) {
  // Progress belongs on standard error: with --json, standard output is one document.
  spawnSync(process.execPath, ['tools/launch.mjs', 'tools/test.ts'], { cwd: root, stdio: ['ignore', 2, 2] })
}
const results = readResults(root)
if (results.length === 0) refuse('no_test_results', 'There are no test results here: run npm test first, or add --run.')
else {
  try {
    report(results, commitmentTable(readPromises(root), readDecisionRecords(root), results))
  } catch (error) {
    refuse('documents_disagree', error instanceof Error ? error.message : String(error))
  }
}

function readOptions(): { json: boolean; run: boolean } {
  try {
    const options = { json: { type: 'boolean', default: false }, run: { type: 'boolean', default: false } } as const
    return parseArgs({ options, strict: true }).values
  } catch {
    process.stderr.write(USAGE)
    process.exit(EXIT_USAGE)
  }
}

function report(tests: readonly TestResult[], lines: readonly CommitmentLine[]): void {
  const broken = tests.filter(({ titles }) => titles[0] === BROKEN_FILE).map(({ file }) => file)
  const ok = lines.every((line) => line.ok) && broken.length === 0
  const [oldest, newest] = [lastOf(tests, -1), lastOf(tests, 1)]
  if (json) {
    const document = { ok, ran_at: newest.ran_at, commit: newest.commit, broken_files: broken, commitments: lines }
    console.log(JSON.stringify(document, null, 2))
  } else {
    printTable(lines)
    for (const file of broken) console.log(`${file} broke outside its tests`)
    const since = oldest.commit === newest.commit ? '' : `, the oldest result on ${oldest.commit}`
    console.log(`\nran ${newest.ran_at} on ${newest.commit}${since}; this is ${currentCommit(root)}`)
  }
  process.exitCode = ok ? 0 : 1
}

/** The newest result with order 1, the oldest with -1. */
function lastOf(tests: readonly TestResult[], order: 1 | -1): Pick<TestResult, 'ran_at' | 'commit'> {
  const sorted = tests.toSorted((one, other) => order * one.ran_at.localeCompare(other.ran_at))
  return sorted.at(-1) ?? { ran_at: '', commit: '' }
}

function printTable(lines: readonly CommitmentLine[]): void {
  console.log('id  ADR             state    passed  failed  skipped')
  for (const { id, claimed_by, state, tests, problem } of lines) {
    const count = (result: string) => String(tests.filter((test) => test.result === result).length)
    const counts = [count('passed').padStart(6), count('failed').padStart(6), count('skipped').padStart(7)].join('  ')
    const line = `${id.padEnd(4)}${claimed_by.join(' ').padEnd(ADR_WIDTH)}${state.padEnd(8)} ${counts}`
    console.log(problem === null ? line : `${line}  <- ${problem}`)
  }
}

function refuse(code: string, message: string): void {
  if (json) console.log(JSON.stringify({ ok: false, error: { code, message } }))
  else console.error(message)
  process.exitCode = 1
}
