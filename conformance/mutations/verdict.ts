import type { Mutation } from './list.ts'
import type { TestRun } from './test-run.ts'

export type Verdict = {
  readonly commitment: string
  readonly breaks: string
  readonly file: string
  /**
   * `killed`: exactly the tests that must fail did. `survived`: none of them did. `inexact`: some did not, or others failed too.
   * `broken`: the tests could not be run, fail without the mutation as well, or its line is not there.
   */
  readonly outcome: 'killed' | 'survived' | 'inexact' | 'broken'
  readonly failed: readonly string[]
  /** Failed and must not have. */
  readonly unexpected: readonly string[]
  /** Must have failed and did not. */
  readonly missing: readonly string[]
  readonly passed: number
  readonly seconds: number
}

export function judge(mutation: Mutation, before: TestRun, after: TestRun, seconds: number): Verdict {
  const { commitment, breaks, file, fails } = mutation
  const unexpected = after.failed.filter((name) => !fails.includes(name))
  const missing = fails.filter((name) => !after.failed.includes(name))
  const lists = { failed: after.failed, unexpected, missing, passed: after.passed.length, seconds }
  return { commitment, breaks, file, outcome: outcomeOf(mutation, before, after, { unexpected, missing }), ...lists }
}

function outcomeOf(
  { fails }: Mutation,
  before: TestRun,
  after: TestRun,
  { unexpected, missing }: { readonly unexpected: readonly string[]; readonly missing: readonly string[] },
): Verdict['outcome'] {
  const sound = fails.length > 0 && fails.every((name) => before.passed.includes(name))
  if (!sound || after.brokenFiles.length > 0 || before.brokenFiles.length > 0) return 'broken'
  if (missing.length === 0 && unexpected.length === 0) return 'killed'
  return missing.length === fails.length ? 'survived' : 'inexact'
}
