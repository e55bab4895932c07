import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { BROKEN_FILE, clearResults, keepResults, parseReport, RESULTS_FOLDER, readResults } from './results.ts'

const root = mkdtempSync(join(tmpdir(), 'flarewatch-results-'))
beforeEach(() => rmSync(join(root, RESULTS_FOLDER), { recursive: true, force: true }))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const RUN = { suite: 'Node', root: '/checkout', ran_at: '2026-11-24T12:00:00.000Z', commit: 'abc' }
const LATER = { ...RUN, ran_at: '2026-11-25T12:00:00.000Z', commit: 'def' }

function report(statuses: Record<string, string>, fileStatus = 'passed'): string {
  const assertionResults = Object.entries(statuses).map(([title, status]) => ({
    ancestorTitles: ['V3: wraps'],
    title,
    status,
    duration: 1,
  }))
  return JSON.stringify({ testResults: [{ name: '/checkout/a/b.test.ts', status: fileStatus, assertionResults }] })
}
const shown = () => readResults(root).map(({ titles, result, commit }) => [titles.at(-1), result, commit])

describe('results of tests', () => {
  test('come from vitest’s report with paths below the checkout', () => {
    expect(parseReport(report({ moved: 'passed' }), RUN)).toEqual([
      {
        suite: 'Node',
        file: join('a', 'b.test.ts'),
        titles: ['V3: wraps', 'moved'],
        result: 'passed',
        ran_at: RUN.ran_at,
        commit: 'abc',
      },
    ])
  })

  test('of whatever did not run are "skipped"', () => {
    const tests = parseReport(report({ a: 'pending', b: 'todo', c: 'skipped', d: 'disabled' }), RUN)
    expect(tests.map(({ result }) => result)).toEqual(Array(4).fill('skipped'))
  })

  test('name a file that broke outside its tests', () => {
    const tests = parseReport(report({}, 'failed'), RUN)
    expect(tests).toMatchObject([{ titles: [BROKEN_FILE], result: 'failed' }])
    expect(parseReport(report({ moved: 'failed' }, 'failed'), RUN)).toHaveLength(1)
  })

  test('of a whole run replace those before it', () => {
    keepResults(root, { suite: 'Node', tests: parseReport(report({ old: 'passed' }), RUN), partial: false })
    keepResults(root, { suite: 'Node', tests: parseReport(report({ new: 'failed' }), LATER), partial: false })
    expect(shown()).toEqual([['new', 'failed', 'def']])
  })

  test('of a partial run replace those of the tests that it ran', () => {
    const first = parseReport(report({ one: 'passed', two: 'failed' }), RUN)
    keepResults(root, { suite: 'Node', tests: first, partial: false })
    const second = parseReport(report({ one: 'skipped', two: 'passed', three: 'passed' }), LATER)
    keepResults(root, { suite: 'Node', tests: second, partial: true })
    expect(shown()).toEqual([
      ['one', 'passed', 'abc'],
      ['two', 'passed', 'def'],
      ['three', 'passed', 'def'],
    ])
  })

  test('forget that a file broke once it runs', () => {
    keepResults(root, { suite: 'Node', tests: parseReport(report({}, 'failed'), RUN), partial: false })
    keepResults(root, { suite: 'Node', tests: parseReport(report({ one: 'passed' }), LATER), partial: true })
    expect(shown()).toEqual([['one', 'passed', 'def']])
  })

  test('of each suite are kept apart, until a whole run begins', () => {
    const tests = parseReport(report({ one: 'passed' }), RUN)
    keepResults(root, { suite: 'domain on Deno', tests, partial: false })
    keepResults(root, { suite: 'domain on workerd', tests, partial: false })
    expect(readResults(root)).toHaveLength(2)
    clearResults(root)
    expect(readResults(root)).toEqual([])
  })

  test('that are missing or not readable are none', () => {
    expect(readResults(root)).toEqual([])
    const folder = join(root, RESULTS_FOLDER)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'Node.json'), '{"half":')
    expect(readResults(root)).toEqual([])
  })
})
