import type { DecisionRecord, Promised, State } from './promises.ts'
import type { TestResult } from './results.ts'
import { commitmentsOf } from './test-names.ts'

export type CommitmentLine = {
  readonly id: string
  /** Numbers of the decision records that claim it. */
  readonly claimed_by: readonly string[]
  readonly state: State
  readonly tests: readonly {
    readonly name: string
    readonly file: string
    readonly suite: string
    readonly result: TestResult['result']
  }[]
  readonly ok: boolean
  /** Why it is not ok; null when it is. */
  readonly problem: string | null
}

/**
 * Commitment id -> tests -> last result. What is claimed as built, wholly or in part, needs a test that ran, and every test
 * that names a commitment must have passed, built or not.
 */
export function commitmentTable(
  promises: readonly Promised[],
  records: readonly DecisionRecord[],
  results: readonly TestResult[],
): CommitmentLine[] {
  const byId = testsById(results)
  const known = promises.map(({ id }) => id)
  const unknown = records.flatMap(({ claims }) => claims).find((id) => !known.includes(id))
  if (unknown !== undefined) throw new Error(`adr: ${unknown} is claimed and is not in docs/commitments.md`)

  return promises.map(({ id, state }) => {
    const claiming = records.filter(({ claims }) => claims.includes(id))
    const tests = byId.get(id) ?? []
    const problem = problemOf(id, state, claiming, tests)
    return {
      id,
      claimed_by: claiming.map(({ number }) => number),
      state,
      tests: tests.map(({ titles, file, suite, result }) => ({ name: titles.join(' > '), file, suite, result })),
      ok: problem === null,
      problem,
    }
  })
}

function problemOf(
  id: string,
  state: State,
  claiming: readonly DecisionRecord[],
  tests: readonly TestResult[],
): string | null {
  const failed = tests.filter(({ result }) => result === 'failed').length
  if (failed > 0) return `${failed} of its tests failed`
  const marked = claiming.filter(({ notYet }) => notYet.includes(id)).map(({ number }) => number)
  const unmarked = claiming.filter(({ notYet }) => !notYet.includes(id)).map(({ number }) => number)
  if (marked.length > 0 && state !== 'not yet') {
    return `ADR ${marked.join(', ')} says "not yet built", docs/commitments.md says "${state}"`
  }
  if (tests.some(({ result }) => result === 'passed')) return null
  if (unmarked.length > 0) return `claimed by ADR ${unmarked.join(', ')}, and no test with its id ran`
  return state === 'not yet' ? null : `"${state}" in docs/commitments.md, and no test with its id ran`
}

function testsById(results: readonly TestResult[]): Map<string, TestResult[]> {
  const tests = new Map<string, TestResult[]>()
  for (const result of results) {
    for (const id of commitmentsOf(result.titles)) tests.set(id, [...(tests.get(id) ?? []), result])
  }
  return tests
}
