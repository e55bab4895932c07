import { expect, test } from 'vitest'
import { figureOf, isSettled, newestFetch, type Series } from './figures.ts'
import type { Window } from './ranges.ts'

const DAY = 24 * 3_600_000
const START = Date.UTC(2026, 10, 20)
const window: Window = { grain: 'day', from: START, to: START + 3 * DAY }
const now = START + 2 * DAY + 3_600_000

function series(values: readonly number[], start = START, fetchedAt = now): Series {
  const points = values.map((value, index) => ({
    at: new Date(start + index * DAY).toISOString(),
    value,
    completeness: start + (index + 1) * DAY <= now ? ('complete' as const) : ('partial' as const),
  }))
  const total = values.reduce((sum, value) => sum + value, 0)
  const provenance = {
    source: 'set',
    fetched_at: new Date(fetchedAt).toISOString(),
    sampling: 1,
    completeness: 'partial' as const,
  }
  return { total, points, provenance }
}

test('a sum counts the day that is still running, and says that it is unfinished', () => {
  const figure = figureOf('requests', window, { current: series([10, 20, 3]), previous: undefined, now })
  expect(figure).toMatchObject({ value: 33, coverage: { finished: 2, unfinished: 1, missing: 0 }, meanOf: null })
})

test('a mean leaves the running day out, and says over how many days it goes', () => {
  const figure = figureOf('unique_visitors', window, { current: series([10, 20, 3]), previous: undefined, now })
  expect(figure).toMatchObject({ value: 15, coverage: { unfinished: 0 }, meanOf: 2 })
})

test('a state is what its last reading says, and no mean', () => {
  const figure = figureOf('dkim_unverified', window, {
    current: { ...series([2, 1, 0]), total: 0 },
    previous: undefined,
    now,
  })
  expect(figure).toMatchObject({ value: 0, meanOf: null })
})

test('on the very first day the running day is all there is', () => {
  const figure = figureOf('unique_visitors', window, {
    current: series([7], START + 2 * DAY),
    previous: undefined,
    now,
  })
  expect(figure).toMatchObject({ value: 7, coverage: { unfinished: 1, missing: 2 }, meanOf: 1 })
})

test('no facts are no figure, rather than zero', () => {
  const empty = { total: 0, points: [], provenance: null }
  expect(figureOf('requests', window, { current: empty, previous: empty, now })).toMatchObject({
    value: null,
    provenance: null,
  })
  expect(figureOf('requests', window, { current: undefined, previous: undefined, now }).value).toBe(null)
  expect(newestFetch([])).toBe(null)
})

test('a figure is compared with the window before it', () => {
  const previous = series([5, 10, 30], START - 3 * DAY)
  expect(figureOf('requests', window, { current: series([10, 20, 3]), previous, now }).delta).toMatchObject({
    ratio: 1,
  })
})

test('only a window whose every step is finished is settled', () => {
  expect(isSettled(window, series([1, 2, 3], START))).toBe(false)
  expect(isSettled({ ...window, to: START + 2 * DAY }, series([1, 2]))).toBe(true)
  expect(isSettled(window, series([1, 2]))).toBe(false)
  expect(isSettled(window, undefined)).toBe(false)
})

test('of what is counted once an hour has settled, the hour just over is unfinished, and of all else missing', () => {
  const hours: Window = { grain: 'hour', from: START, to: START + 2 * 3_600_000 }
  const tenPast = START + 3_600_000 + 600_000
  const coverageOf = (metric: 'threats' | 'requests') =>
    figureOf(metric, hours, { current: undefined, previous: undefined, now: tenPast }).coverage
  expect(coverageOf('threats')).toEqual({ finished: 0, unfinished: 1, missing: 0 })
  expect(coverageOf('requests')).toEqual({ finished: 0, unfinished: 0, missing: 1 })
})
