import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { copyCheckout } from './checkout-copy.ts'
import { MUTATIONS, type Mutation } from './list.ts'
import { runTests, type TestRun } from './test-run.ts'
import { judge, type Verdict } from './verdict.ts'

/**
 * Breaks one promise at a time, by one line, in a copy of the checkout, and sees whether exactly its tests fail.
 * One after another: the parts that the tests boot want the machine for themselves.
 */
const USAGE = 'usage: node conformance/mutations/run.ts [--json] [--only ID]\n'
const EXIT = { ok: 0, failed: 1, usage: 2 } as const

const known = new Map<string, TestRun>()
const { json, chosen } = readOptions()
const { folder, remove } = copyCheckout(dirname(dirname(import.meta.dirname)))
for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
  process.once(signal, () => {
    remove()
    process.exit(code)
  })
}
try {
  const verdicts: Verdict[] = []
  for (const mutation of chosen) verdicts.push(await attempt(mutation))
  const ok = verdicts.every(({ outcome }) => outcome === 'killed')
  if (json) console.log(JSON.stringify({ ok, mutations: verdicts }, null, 2))
  process.exitCode = ok ? EXIT.ok : EXIT.failed
} finally {
  remove()
}

function readOptions(): { json: boolean; chosen: readonly Mutation[] } {
  try {
    const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, only: { type: 'string' } } })
    const chosen = MUTATIONS.filter(({ commitment }) => values.only === undefined || commitment === values.only)
    if (chosen.length === 0) throw new Error('no such mutation')
    return { json: values.json, chosen }
  } catch {
    process.stderr.write(USAGE)
    process.exit(EXIT.usage)
  }
}

async function attempt(mutation: Mutation): Promise<Verdict> {
  const began = performance.now()
  const { project, tests, unrelated } = mutation
  const before = await baseline(project, [...tests, unrelated])
  const restore = apply(mutation)
  const nothing: TestRun = { passed: [], failed: [], brokenFiles: [mutation.file] }
  const after = restore === null ? nothing : await runTests(folder, project, [...tests, unrelated])
  restore?.()
  const verdict = judge(mutation, before, after, Math.round((performance.now() - began) / 1000))
  tell(verdict)
  return verdict
}

/** The same files without any mutation: a test that fails anyway kills nothing. Run once for each set of files. */
async function baseline(project: string, files: readonly string[]): Promise<TestRun> {
  const key = files.join(' ')
  const run = known.get(key) ?? (await runTests(folder, project, files))
  known.set(key, run)
  return run
}

/** Changes the copy, and gives back how to undo it; null when the line is not there exactly once. */
function apply({ file, search, replacement }: Mutation): (() => void) | null {
  const path = join(folder, file)
  const text = readFileSync(path, 'utf8')
  if (text.split(search).length !== 2) return null
  writeFileSync(
    path,
    text.replace(search, () => replacement),
  )
  return () => writeFileSync(path, text)
}

function tell({ commitment, outcome, breaks, failed, unexpected, missing, passed, seconds }: Verdict): void {
  const counts = `${failed.length} failed, ${passed} passed, ${seconds} s`
  console.error(`${commitment} ${outcome.padEnd(8)} ${breaks} (${counts})`)
  for (const name of unexpected) console.error(`     failed and must not: ${name}`)
  for (const name of missing) console.error(`     must fail and did not: ${name}`)
}
