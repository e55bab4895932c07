import { describe, expect, test } from 'vitest'
import { type DecisionRecord, parseRecord, type State } from './promises.ts'
import type { TestResult } from './results.ts'
import { commitmentTable } from './table.ts'

const record = (claims: string[], notYet: string[] = []): DecisionRecord => ({ number: '0001', claims, notYet })
const ran = (result: TestResult['result'], ...titles: string[]): TestResult => ({
  suite: 'Node',
  file: 'a.test.ts',
  titles,
  result,
  ran_at: '2026-11-24T12:00:00.000Z',
  commit: 'abc',
})
function line(state: State, records: DecisionRecord[], results: TestResult[]) {
  const [only] = commitmentTable([{ id: 'V3', state }], records, results)
  return only
}

describe('a line of the table', () => {
  test('D1: holds a claim against the tests that ran with its id', () => {
    expect(line('built', [record(['V3'])], [ran('passed', 'V3: wraps', 'moved'), ran('passed', 'V4: other')])).toEqual({
      id: 'V3',
      claimed_by: ['0001'],
      state: 'built',
      tests: [{ name: 'V3: wraps > moved', file: 'a.test.ts', suite: 'Node', result: 'passed' }],
      ok: true,
      problem: null,
    })
  })

  test('D1: fails for a claim without a test that ran', () => {
    for (const results of [[], [ran('skipped', 'V3: moved')], [ran('passed', 'V4: other')]]) {
      expect(line('built', [record(['V3'])], results)).toMatchObject({
        ok: false,
        problem: 'claimed by ADR 0001, and no test with its id ran',
      })
    }
  })

  test('D1: fails for a claim with one failing test among many', () => {
    const results = [ran('passed', 'V3: one'), ran('failed', 'V3: two')]
    expect(line('built', [record(['V3'])], results)).toMatchObject({ ok: false, problem: '1 of its tests failed' })
  })

  test('D1: lets a claim wait that its record marks as not yet built, until a test of it fails', () => {
    const records = [record(['V3'], ['V3'])]
    expect(line('not yet', records, [])).toMatchObject({ ok: true })
    expect(line('not yet', records, [ran('failed', 'V3: early')])).toMatchObject({ ok: false })
  })

  test('D1: fails where record and table say different things', () => {
    expect(line('built', [record(['V3'], ['V3'])], [ran('passed', 'V3: one')])).toMatchObject({ ok: false })
    expect(line('not yet', [record(['V3'])], [])).toMatchObject({ ok: false })
  })

  test('fails for what the table calls built and no test shows, claimed or not', () => {
    expect(line('built', [], [])).toMatchObject({ ok: false })
    expect(line('in part', [], [])).toMatchObject({ ok: false })
    expect(line('not yet', [], [])).toMatchObject({ ok: true })
  })
})

describe('a decision record', () => {
  test('names its commitments on one line, and on another those that are not built', () => {
    const text =
      '# 0009\n\nDate: 2026-11-24.\n\nCommitments: L1, L5, T3.\n\n*Not yet built*: L5 (pruning, as V4 says), T3.\n'
    expect(parseRecord('0009', text)).toEqual({ number: '0009', claims: ['L1', 'L5', 'T3'], notYet: ['L5', 'T3'] })
    expect(parseRecord('0005', 'Commitments: none.\n')).toEqual({ number: '0005', claims: [], notYet: [] })
  })

  test('without that line, or with a mark for what it does not claim, is refused', () => {
    expect(() => parseRecord('0009', 'It is about V1.')).toThrow('has no line')
    expect(() => parseRecord('0009', 'Commitments: V1.\n*Not yet built*: V2.')).toThrow('does not claim it')
  })

  test('that claims an id which the table does not have is refused', () => {
    expect(() => commitmentTable([], [record(['V9'])], [])).toThrow('V9 is claimed')
  })
})
