import { describe, expect, it } from 'vitest'
import { formatMoney, formatValue } from './format.ts'
import { currenciesByUse, seriesWithin } from './money.ts'
import { DEFAULT_RANGE, RANGES, siteDays } from './ranges.ts'

const DAY = 86_400_000
const plain = (text: string) => text.replaceAll(/[\u00a0\u202f]/g, ' ')

describe('money', () => {
  it.each([
    [123_456, 'EUR', '€1,234.56'],
    [-5, 'USD', '-US$0.05'],
    [98_000, 'JPY', 'JP¥98,000'],
    [12_345, 'KWD', 'KWD 12.345'],
    [7, 'ISK', 'ISK 7'],
  ])('%d of %s is written as %s', (minor, currency, text) => {
    expect(plain(formatMoney(minor, currency))).toBe(text)
    expect(formatValue(minor, { unit: 'minor', currency })).toBe(formatMoney(minor, currency))
  })

  it('of the currency that is used most comes first', () => {
    const series = (currency: string, values: number[]) => ({
      metric: 'net_revenue',
      currency,
      total: 0,
      provenance: null,
      points: values.map((value) => ({ at: '', value, completeness: 'complete' as const })),
    })
    const all = [series('EUR', [0, 0, 9]), series('JPY', [900, 0, 800]), series('AUD', [1, 0, 0])]
    expect(currenciesByUse(all, 'net_revenue')).toEqual(['JPY', 'AUD', 'EUR'])
  })
})

describe("days of a site's own zone", () => {
  it.each(['America/Los_Angeles', 'Asia/Kolkata', 'Pacific/Auckland'])(
    'in %s end with the date that it has now',
    (zone) => {
      const now = Date.UTC(2026, 10, 1, 11, 45)
      const { window, nowInDays } = siteDays(DEFAULT_RANGE, zone, now)
      const date = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short' }).format(now)
      expect(new Date(window.to - DAY).toISOString().slice(0, 10)).toBe(date)
      expect((window.to - window.from) / DAY).toBe(7)
      expect(nowInDays).toBeGreaterThanOrEqual(window.to - DAY)
      expect(nowInDays).toBeLessThan(window.to)
    },
  )

  it('are one to 365, whatever the range counts in', () => {
    const days = RANGES.map((range) => siteDays(range, 'UTC', 0).window).map(({ from, to }) => (to - from) / DAY)
    expect(days).toEqual([1, 7, 30, 365])
  })

  it.each([
    ['net_revenue', 111],
    ['mrr', 100],
  ] as const)('keep their place over a change of clocks, and none is added or left out: %s', (metric, total) => {
    // Berlin's midnights around 25 October 2026, when the day has 25 hours.
    const midnights = ['2026-10-23T22:00:00Z', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z', '2026-10-26T23:00:00Z']
    const points = midnights.map((at, index) => ({ at, value: 10 ** index, completeness: 'complete' as const }))
    const window = { grain: 'day', from: Date.UTC(2026, 9, 24), to: Date.UTC(2026, 9, 27) } as const
    const within = seriesWithin({ metric, total: 0, provenance: null, points }, 'Europe/Berlin', window)
    expect(within?.points.map(({ at }) => at.slice(0, 10))).toEqual(['2026-10-24', '2026-10-25', '2026-10-26'])
    expect(within?.total).toBe(total)
  })
})
