import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MUTATIONS } from './list.ts'
import { judge } from './verdict.ts'

const root = dirname(dirname(import.meta.dirname))

/** That each kills its tests takes minutes: `node conformance/mutations/run.ts`. That it still can is seen here. */
describe('the mutations', () => {
  test('are each of another commitment', () => {
    expect(MUTATIONS.length).toBeGreaterThan(10)
    expect(new Set(MUTATIONS.map(({ commitment }) => commitment)).size).toBe(MUTATIONS.length)
  })

  test.each(MUTATIONS)(
    'of $commitment: its line is there once, and one test that it must fail names it',
    (mutation) => {
      const { commitment, file, search, replacement, tests, unrelated, fails } = mutation
      expect(readFileSync(join(root, file), 'utf8').split(search)).toHaveLength(2)
      const changed = search.split('\n').filter((line, index) => line !== replacement.split('\n')[index])
      expect(changed).toHaveLength(1)
      expect(fails.some((name) => new RegExp(`\\b${commitment}\\b`).test(name))).toBe(true)
      expect(tests).not.toContain(unrelated)
    },
  )
})

describe('a verdict', () => {
  const [mutation] = MUTATIONS
  if (mutation === undefined) throw new Error('no mutation')
  const known = { ...mutation, fails: ['one', 'two'] }
  const run = (passed: string[], failed: string[]) => ({ passed, failed, brokenFiles: [] })
  const before = run(['one', 'two', 'other'], [])
  const outcome = (after: ReturnType<typeof run>, since = before) => judge(known, since, after, 0).outcome

  test('is "killed" when exactly the tests fail that must', () => {
    expect(outcome(run(['other'], ['one', 'two']))).toBe('killed')
  })

  test('is "inexact" when one of them passes, or another fails', () => {
    expect(outcome(run(['one', 'other'], ['two']))).toBe('inexact')
    expect(outcome(run([], ['one', 'two', 'other']))).toBe('inexact')
  })

  test('is "survived" when none of them fails', () => {
    expect(outcome(run(['one', 'two', 'other'], []))).toBe('survived')
  })

  test('is "broken" when they fail anyway, or nothing ran', () => {
    expect(outcome(run(['other'], ['one', 'two']), run(['two', 'other'], ['one']))).toBe('broken')
    expect(judge(known, before, { ...run([], []), brokenFiles: ['a.test.ts'] }, 0).outcome).toBe('broken')
  })
})
