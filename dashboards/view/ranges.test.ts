import { expect, test } from 'vitest'
import { daysBehind, metricsQuery, RANGES, STEP_MS, windowBefore, windowOf } from './ranges.ts'

const NOW = Date.UTC(2026, 10, 24, 10, 42, 17)

test('every range ends with the step that is running now and has as many steps as it says', () => {
  for (const range of RANGES) {
    const { from, to } = windowOf(range, NOW)
    expect(to, range.name).toBeGreaterThan(NOW)
    expect(to - NOW, range.name).toBeLessThanOrEqual(STEP_MS[range.grain])
    expect((to - from) / STEP_MS[range.grain], range.name).toBe(range.steps)
  }
})

test('on the stroke of an hour the hour that begins is the running one', () => {
  const hour = Date.UTC(2026, 10, 24, 10)
  expect(windowOf({ grain: 'hour', steps: 24 }, hour).to).toBe(Date.UTC(2026, 10, 24, 11))
})

test('the window before has the same length and touches', () => {
  const window = windowOf({ grain: 'day', steps: 30 }, NOW)
  const before = windowBefore(window)
  expect(before.to).toBe(window.from)
  expect(before.to - before.from).toBe(window.to - window.from)
})

test('a range of hours reads its daily figures from finished UTC days', () => {
  expect(daysBehind(windowOf({ grain: 'hour', steps: 24 }, NOW), NOW)).toEqual({
    grain: 'day',
    from: Date.UTC(2026, 10, 23),
    to: Date.UTC(2026, 10, 24),
  })
})

test('a window is asked for in UTC instants', () => {
  expect(metricsQuery({ grain: 'day', from: Date.UTC(2026, 0, 1), to: Date.UTC(2026, 0, 2) })).toBe(
    'grain=day&from=2026-01-01T00:00:00.000Z&to=2026-01-02T00:00:00.000Z',
  )
})
