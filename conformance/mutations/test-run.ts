import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { z } from 'zod'

const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
})

export type TestRun = {
  readonly passed: readonly string[]
  readonly failed: readonly string[]
  /** Files that ran no test to its end; all of them, when nothing was reported. */
  readonly brokenFiles: readonly string[]
}

const TIMEOUT_MS = 5 * 60_000

/** Runs some test files of one vitest project in `folder`, in one process after another. */
export async function runTests(folder: string, project: string, files: readonly string[]): Promise<TestRun> {
  const output = join(folder, 'mutation-report.json')
  rmSync(output, { force: true })
  const vitest = join(folder, 'node_modules', 'vitest', 'vitest.mjs')
  const reporters = ['--reporter=json', `--outputFile.json=${output}`]
  const args = [vitest, 'run', '--project', project, '--no-file-parallelism', ...reporters, ...files]
  await new Promise<void>((ended) => {
    const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore', timeout: TIMEOUT_MS })
    child.once('error', () => ended())
    child.once('close', () => ended())
  })
  return readReport(output, folder, files)
}

function readReport(output: string, folder: string, files: readonly string[]): TestRun {
  const none = { passed: [], failed: [], brokenFiles: files }
  try {
    const { testResults } = Report.parse(JSON.parse(readFileSync(output, 'utf8')))
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
    const named = (status: string) => tests.filter((test) => test.status === status).map(({ fullName }) => fullName)
    const reported = testResults.map(({ name }) => relative(folder, name))
    const broken = testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
    )
    return {
      passed: named('passed'),
      failed: named('failed'),
      brokenFiles: [
        ...broken.map(({ name }) => relative(folder, name)),
        ...files.filter((file) => !reported.includes(file)),
      ],
    }
  } catch {
    return none
  }
}
