import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { z } from 'zod'

/** Where `npm test` keeps what it saw last, a file a suite; `npm ci` clears it with everything else. */
export const RESULTS_FOLDER = 'node_modules/.cache/flarewatch/test-results'

const Result = z.enum(['passed', 'failed', 'skipped'])
const TestResult = z.object({
  suite: z.string(),
  file: z.string(),
  /** The titles from the outermost `describe` to the test's own. */
  titles: z.array(z.string()),
  result: Result,
  ran_at: z.iso.datetime(),
  commit: z.string(),
})
export type TestResult = z.infer<typeof TestResult>

/** What one run of one suite saw. */
export type SuiteRun = {
  readonly suite: string
  readonly tests: readonly TestResult[]
  /** A run of some tests only: what it left out keeps its earlier result. */
  readonly partial: boolean
}

/** The part of vitest's JSON report that is kept. Its many words for "did not run" are one here. */
const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(
        z.object({ ancestorTitles: z.array(z.string()), title: z.string(), status: z.string() }),
      ),
    }),
  ),
})

export function parseReport(
  text: string,
  run: { readonly suite: string; readonly root: string; readonly ran_at: string; readonly commit: string },
): TestResult[] {
  const { suite, root, ran_at, commit } = run
  return Report.parse(JSON.parse(text)).testResults.flatMap(({ name, status, assertionResults }) => {
    const file = relative(root, name)
    const tests = assertionResults.map((test) => ({
      suite,
      file,
      titles: [...test.ancestorTitles, test.title],
      result: resultOf(test.status),
      ran_at,
      commit,
    }))
    // A file that broke before or after its tests says so in no test of its own.
    const broke = status === 'failed' && tests.every(({ result }) => result !== 'failed')
    return broke ? [...tests, { suite, file, titles: [BROKEN_FILE], result: 'failed' as const, ran_at, commit }] : tests
  })
}

export const BROKEN_FILE = 'the file as a whole'

function resultOf(status: string): TestResult['result'] {
  const known = Result.safeParse(status)
  return known.success ? known.data : 'skipped'
}

export function keepResults(root: string, { suite, tests, partial }: SuiteRun): void {
  const folder = join(root, RESULTS_FOLDER)
  const file = join(folder, `${suite.replace(/\W+/g, '-')}.json`)
  const kept = partial ? merged(readSuite(file), tests) : tests
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, `${JSON.stringify(kept)}\n`)
}

/** Before a whole run: what an earlier one saw must not stand in for a suite that breaks or is no more. */
export function clearResults(root: string): void {
  rmSync(join(root, RESULTS_FOLDER), { recursive: true, force: true })
}

export function readResults(root: string): TestResult[] {
  const folder = join(root, RESULTS_FOLDER)
  return jsonFiles(folder).flatMap((file) => readSuite(join(folder, file)))
}

function merged(earlier: readonly TestResult[], now: readonly TestResult[]): TestResult[] {
  const ran = now.filter(({ result }) => result !== 'skipped')
  const again = new Set(ran.map(keyOf))
  const filesThatRan = new Set(ran.map(({ file }) => file))
  const stays = ({ file, titles }: TestResult) => titles[0] !== BROKEN_FILE || !filesThatRan.has(file)
  return [...earlier.filter((test) => !again.has(keyOf(test)) && stays(test)), ...ran]
}

function keyOf({ file, titles }: TestResult): string {
  return JSON.stringify([file, titles])
}

function readSuite(path: string): TestResult[] {
  try {
    return z.array(TestResult).parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    // Missing, or of another version of this tool: as good as never run.
    return []
  }
}

function jsonFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort()
  } catch {
    return []
  }
}
