import { expect, test } from 'vitest'
import { deltaOf, deltaText, likeForLike, type Point } from './delta.ts'

const DAY = 24 * 3_600_000
const points = (values: readonly (number | null)[], start: number, unfinishedFrom = values.length): Point[] =>
  values.flatMap((value, index) =>
    value === null ? [] : [{ at: start + index * DAY, value, complete: index < unfinishedFrom, corrected: null }],
  )

test('an unfinished step is left out on both sides', () => {
  const current = points([110, 110, 5], 3 * DAY, 2)
  const previous = points([100, 100, 100], 0)
  expect(likeForLike('requests', current, previous, 3 * DAY)).toEqual({
    kind: 'change',
    ratio: 0.1,
    current: 220,
    previous: 200,
  })
})

test('a gap on one side is left out on the other', () => {
  const previous = points([100, null, 100, 100], 0)
  expect(likeForLike('requests', points([100, 900, 100, 100], 4 * DAY), previous, 4 * DAY)).toMatchObject({
    current: 300,
    previous: 300,
  })
})

test('people are compared by the mean a day, never by a sum', () => {
  const delta = likeForLike('unique_visitors', points([20, 40], 2 * DAY), points([10, 30], 0), 2 * DAY)
  expect(delta).toMatchObject({ current: 30, previous: 20 })
})

test('too little history is no comparison, rather than a jump', () => {
  const current = points([1, 1, 1, 1], 4 * DAY)
  expect(likeForLike('requests', current, points([null, null, null, 1], 0), 4 * DAY).kind).toBe('unknown')
  expect(likeForLike('requests', current, [], 4 * DAY).kind).toBe('unknown')
  expect(likeForLike('requests', [], [], 4 * DAY).kind).toBe('unknown')
})

test('a delta says its sign in a character and in words', () => {
  const text = (current: number, previous: number) => {
    const { short, spoken, direction } = deltaText(deltaOf(current, previous), '7 days')
    return [short, spoken, direction]
  }
  expect(text(1042, 1000)).toEqual(['+4.2 %', 'up 4.2 % on the previous 7 days', 'up'])
  expect(text(500, 1000)).toEqual(['−50.0 %', 'down 50.0 % on the previous 7 days', 'down'])
  expect(text(0, 1000)).toEqual(['−100 %', 'down 100 % on the previous 7 days', 'down'])
  expect(text(3000, 1000)).toEqual(['+200 %', 'up 200 % on the previous 7 days', 'up'])
  expect(text(99_000, 1)).toEqual(['> +999 %', 'up more than 999 % on the previous 7 days', 'up'])
  expect(text(10_000, 9_999)).toEqual(['±0.0 %', 'unchanged on the previous 7 days', 'flat'])
  expect(text(0, 0)[2]).toBe('flat')
  expect(text(5, 0)).toEqual(['from 0', 'up from 0 in the previous 7 days', 'up'])
})

test('no comparison is said, not shown as zero', () => {
  expect(deltaText({ kind: 'unknown' }, '7 days').short).toBe('no history')
})
