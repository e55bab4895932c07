import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { z } from 'zod'

const SAID_LINES = 12

const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()).optional() }),
      ),
    }),
  ),
})

/** What failed in a suite by vitest's JSON report, each as file, name and the first lines of why. */
export function failuresIn(suite: string, reportFile: string): string[] {
  const report = readReport(reportFile)
  if (report === null) return [`FAILED ${suite}: it wrote no report`]
  return report.testResults.flatMap(({ name, message, assertionResults }) => {
    const file = relative(process.cwd(), name)
    const tests = assertionResults
      .filter(({ status }) => status === 'failed')
      .map(
        (test) => `FAILED ${suite}: ${file}: ${test.fullName}\n${firstLines(test.failureMessages?.join('\n') ?? '')}`,
      )
    return message ? [...tests, `FAILED ${suite}: ${file}\n${firstLines(message)}`] : tests
  })
}

function readReport(path: string): z.infer<typeof Report> | null {
  try {
    return Report.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return null
  }
}

function firstLines(text: string): string {
  return text.split('\n', SAID_LINES).join('\n')
}
