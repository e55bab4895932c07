import { expect, test } from 'vitest'
import { hoursKeptFrom } from '../../domain/metrics/retention.ts'
import { correctionText, coverageText, isStale, samplingText, sourceText } from './provenance.ts'
import { RANGES, type Window, windowBefore, windowOf } from './ranges.ts'
import { chartRows, coverageOf, ticksOf } from './series.ts'

const HOUR = 3_600_000
const START = Date.UTC(2026, 10, 24)
const window: Window = { grain: 'hour', from: START, to: START + 4 * HOUR }
const point = (index: number, value: number, complete = true) => ({
  at: START + index * HOUR,
  value,
  complete,
  corrected: null,
})

test('a step without a number is a gap, not a zero', () => {
  const rows = chartRows(window, [point(0, 5), point(3, 0)], [])
  expect(rows.map(({ value }) => value)).toEqual([5, null, null, 0])
})

test('unfinished steps are drawn apart, joined to the finished neighbour', () => {
  const rows = chartRows(window, [point(0, 5), point(1, 6), point(2, 7), point(3, 1, false)], [])
  expect(rows.map(({ finished }) => finished)).toEqual([5, 6, 7, null])
  expect(rows.map(({ unfinished }) => unfinished)).toEqual([null, null, 7, 1])
  expect(rows.map(({ partial }) => partial)).toEqual([false, false, false, true])
})

test('a finished step that no line goes through is told apart, so that it is drawn at all', () => {
  const rows = chartRows(window, [point(0, 5), point(2, 6), point(3, 1, false)], [])
  expect(rows.map(({ alone }) => alone)).toEqual([true, false, false, false])
})

test('a figure that was corrected keeps its mark', () => {
  const corrected = { at: START + 9 * HOUR, previousValue: 1203 }
  const rows = chartRows(window, [{ ...point(0, 5), corrected }, point(1, 6)], [])
  expect(rows.map((row) => row.corrected)).toEqual([corrected, null, null, null])
  const measure = { unit: 'count', currency: null } as const
  expect(correctionText(corrected, measure, 'UTC')).toBe('corrected 24 Nov, was 1,203')
})

test('the earlier window lies under the current one, step by step', () => {
  const rows = chartRows(window, [], [point(-4, 1), point(-1, 4)])
  expect(rows.map(({ previous }) => previous)).toEqual([1, null, null, 4])
})

test('every range gets few ticks, all within its window', () => {
  for (const range of RANGES) {
    const shown = windowOf(range, START + 90_000)
    const ticks = ticksOf(shown, 6)
    expect(ticks.length, range.name).toBeGreaterThanOrEqual(3)
    expect(ticks.length, range.name).toBeLessThanOrEqual(7)
    expect(ticks.every((at) => at >= shown.from && at < shown.to)).toBe(true)
  }
})

test('no range asks for hours that are not kept any more, nor does its comparison', () => {
  for (const range of RANGES.filter(({ grain }) => grain === 'hour')) {
    expect(windowBefore(windowOf(range, START)).from, range.name).toBeGreaterThanOrEqual(hoursKeptFrom(START))
  }
})

test('coverage counts what is unfinished and what is missing, but not the hour that has just begun', () => {
  const now = START + 3 * HOUR + 60_000
  expect(coverageOf(window, [point(0, 1), point(1, 1), point(2, 1)], now)).toEqual({
    finished: 3,
    unfinished: 0,
    missing: 0,
  })
  expect(coverageOf(window, [point(0, 1), point(2, 1), point(3, 1, false)], now)).toEqual({
    finished: 2,
    unfinished: 1,
    missing: 1,
  })
  expect(coverageText({ finished: 2, unfinished: 1, missing: 2 }, 'hour')).toBe(
    'partial: 2 hours missing, 1 hour unfinished',
  )
  expect(coverageText({ finished: 2, unfinished: 0, missing: 0 }, 'day')).toBe('complete')
})

test('an hour that has ended and whose number is not due yet is unfinished; a gap before it, or one that is overdue, is missing', () => {
  const half = HOUR / 2
  const upTo = (minutes: number) => START + 3 * HOUR + minutes * 60_000
  const [whole, gap] = [
    [point(0, 1), point(1, 1)],
    [point(0, 1), point(2, 1)],
  ]
  expect(coverageOf(window, whole, upTo(10), half)).toEqual({ finished: 2, unfinished: 1, missing: 0 })
  expect(coverageOf(window, whole, upTo(40), half)).toEqual({ finished: 2, unfinished: 0, missing: 1 })
  expect(coverageOf(window, gap, upTo(10), half)).toEqual({ finished: 2, unfinished: 0, missing: 1 })
})

test('sampling is told as what one counted event stands for', () => {
  expect([1, 2.34, 99.6].map(samplingText)).toEqual([
    'every event counted',
    'estimated from 1 in 2.3',
    'estimated from 1 in 100',
  ])
})

test('a day that is made of hours says so', () => {
  expect(sourceText('stripe.balance_transactions')).toBe('stripe.balance_transactions')
  expect(sourceText('rollup:supabase.database')).toBe('supabase.database, days made of the hours of UTC days')
})

test('data is stale once it is more than 15 minutes old', () => {
  expect(isStale(START, START + 15 * 60_000)).toBe(false)
  expect(isStale(START, START + 15 * 60_000 + 1)).toBe(true)
})
