import { describe, expect, test } from 'vitest'
import type { MetricName } from '../../domain/metrics/definitions.ts'
import { SiteId } from '../data/schemas.ts'
import { type Figure, figureOf } from './figures.ts'
import { countryName, daysTouched, responsesOf, topOf } from './shares.ts'

const WINDOW = { grain: 'hour', from: Date.UTC(2026, 10, 26), to: Date.UTC(2026, 10, 26, 1) } as const
const SITE = SiteId.parse('5a1f0a50-7c1f-4a3e-9c1e-0d6c4f1f7a10')

describe('answers by class of status', () => {
  test('are parts of their own sum, and a class that was never given has no line', () => {
    const totals: Record<string, number> = { responses_2xx: 90, responses_4xx: 9, responses_5xx: 1, responses_3xx: 0 }
    const { shares, origin } = responsesOf((metric) => figure(metric, totals[metric]))
    expect(shares.map(({ label, value, part }) => [label, value, part])).toEqual([
      ['2xx success', 90, 0.9],
      ['4xx client error', 9, 0.09],
      ['5xx server error', 1, 0.01],
    ])
    expect(origin).toMatchObject({ metric: 'responses_2xx', provenance: { source: 'hours' } })
  })

  test('of a site without any are no shares, not shares of nothing', () => {
    expect(responsesOf((metric) => figure(metric, 0))).toMatchObject({ shares: [] })
    expect(responsesOf((metric) => figure(metric, undefined))).toEqual({ shares: [], origin: null })
  })
})

describe('the largest shares of some days', () => {
  test('and the rest of them add up to all requests', () => {
    const top = topOf(
      answer('country', 200, [
        ['DE', 120],
        ['T1', 30],
      ]),
    )
    expect(top.shares.map(({ label, value, part }) => [label, value, part])).toEqual([
      ['Germany', 120, 0.6],
      ['Tor network', 30, 0.15],
    ])
    expect(top.rest).toMatchObject({ label: 'All others', value: 50, part: 0.25 })
  })

  test('what is past the sixth is among the rest', () => {
    const rows = ['DE', 'AT', 'CH', 'FR', 'IT', 'ES', 'PT'].map((code) => [code, 10] as const)
    const top = topOf(answer('country', 100, rows))
    expect([top.shares.length, top.rest.value]).toEqual([6, 40])
  })

  test('of days without a request are no parts', () => {
    expect(topOf(answer('path', 0, []))).toMatchObject({ shares: [], rest: { value: 0, part: 0 } })
  })

  test('a path is shown as it is, and a code that is no country too', () => {
    expect(topOf(answer('path', 10, [['/DE', 10]])).shares[0]?.label).toBe('/DE')
    expect(['XX', 'AQ', 'ZZ', '1', 'a-b', ''].map(countryName)).toEqual([
      'Unknown',
      'Antarctica',
      'Unknown Region',
      '1',
      'a-b',
      '',
    ])
  })
})

test('a window of hours touches the day that it begins in and the one that it ends in', () => {
  const hour = 3_600_000
  const from = Date.UTC(2026, 10, 26, 15)
  expect(daysTouched({ grain: 'hour', from, to: from + 24 * hour })).toEqual({
    grain: 'day',
    from: Date.UTC(2026, 10, 26),
    to: Date.UTC(2026, 10, 28),
  })
  const whole = { grain: 'day', from: Date.UTC(2026, 10, 1), to: Date.UTC(2026, 10, 27) } as const
  expect(daysTouched(whole)).toEqual(whole)
})

function figure(metric: MetricName, total: number | undefined): Figure {
  const at = new Date(WINDOW.from).toISOString()
  const provenance = { source: 'hours', fetched_at: at, sampling: 1, completeness: 'complete' } as const
  const points = [{ at, value: total ?? 0, completeness: 'complete' }] as const
  const current = total === undefined ? undefined : { total, points, provenance }
  return figureOf(metric, WINDOW, { current, previous: undefined, now: WINDOW.to })
}

function answer(dimension: 'country' | 'path', total: number, rows: readonly (readonly [string, number])[]) {
  const from = '2026-11-26T00:00:00.000Z'
  const to = '2026-11-27T00:00:00.000Z'
  const pairs = rows.map(([key, value]) => ({ key, value }))
  return { site_id: SITE, dimension, from, to, total, days: 1, rows: pairs, provenance: null }
}
