import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { BUDGET_DAYS, RUN_OBJECTIVE, RunState } from '../contracts/runs.ts'
import { budgetText, lagText, nextRunText } from './health.ts'
import { REASON_WORDS, runWords, STATE_WORDS } from './words.ts'

const NOW = Date.UTC(2026, 10, 24, 10)
const ago = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString()

test('every state and every reason says in whole sentences what it means and what to do', () => {
  for (const [word, { meaning, next }] of [...Object.entries(STATE_WORDS), ...Object.entries(REASON_WORDS)]) {
    for (const text of [meaning, next]) expect(text, word).toMatch(/^[A-Z].{10,200}\.$/)
  }
})

test('docs/run-states.md says what is said everywhere else', () => {
  const text = readFileSync(new URL('../../docs/run-states.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `([a-z_]+)` \| (.+) \| (.+) \|$/gm)].map(([, word, meaning, next]) => [
    word,
    { meaning, next },
  ])
  const words = [...Object.entries(STATE_WORDS), ...Object.entries(REASON_WORDS)]
  expect(rows).toEqual(words.map(([word, { meaning, next }]) => [word, { meaning, next }]))
  expect(text).toContain(`${RUN_OBJECTIVE * 100} %`)
  expect(text).toContain(`${BUDGET_DAYS} UTC days`)
})

test('a reason that is not known is told by its own name, and none at all by the state', () => {
  expect(runWords('failed', 'something_new').meaning).toBe('The last run ended with “something new”.')
  expect(RunState.options.map((state) => runWords(state, null))).toEqual(Object.values(STATE_WORDS))
})

test('lag, next run and error budget have units', () => {
  expect([40, 5400, 200_000].map(lagText)).toEqual(['under a minute', '1 h 30 min', '2 days 7 h'])
  expect([null, ago(0), ago(-1), ago(-90)].map((at) => nextRunText(at, NOW))).toEqual([
    'none while parked',
    'due now',
    'in 1 min',
    'in 1 h 30 min',
  ])
  const budgets = [
    { runs: 0, incomplete: 0, left: null },
    { runs: 200, incomplete: 1, left: 0.5 },
    { runs: 200, incomplete: 3, left: -0.5 },
  ]
  expect(budgets.map(budgetText)).toEqual(['no run counted yet', '50 % left', 'used up'])
})
