import { describe, expect, it } from 'vitest'
import { dateIn, dayOf, daysBetween, isTimeZone } from './days.ts'

const HOUR = 3_600_000
const hours = (timeZone: string, date: string) => {
  const { from, to } = dayOf(timeZone, Date.parse(`${date}T12:00:00Z`))
  return (to - from) / HOUR
}

describe('a calendar day', () => {
  it.each([
    ['UTC', '2026-03-29', 24],
    ['Europe/Berlin', '2026-03-29', 23],
    ['Europe/Berlin', '2026-10-25', 25],
    ['America/Los_Angeles', '2026-03-08', 23],
    ['America/Los_Angeles', '2026-11-01', 25],
    ['Asia/Kolkata', '2026-03-29', 24],
    // Clocks move at midnight: the day begins at 01:00.
    ['Africa/Cairo', '2026-04-24', 23],
    ['Australia/Lord_Howe', '2026-04-05', 24.5],
  ])('of %s, %s, has %d hours', (timeZone, date, expected) => {
    expect(hours(timeZone, date)).toBe(expected)
  })

  it('begins with the first minute of its date, at the edge of each zone', () => {
    for (const timeZone of [
      'Pacific/Auckland',
      'Pacific/Kiritimati',
      'Asia/Kathmandu',
      'America/Los_Angeles',
      'Africa/Cairo',
    ]) {
      for (let at = Date.UTC(2026, 0, 1, 12); at < Date.UTC(2027, 0, 1); at += 24 * HOUR) {
        const { date, from, to } = dayOf(timeZone, at)
        expect([from, to - 1].map((edge) => dateIn(timeZone, edge))).toEqual([date, date])
        expect(dateIn(timeZone, from - 1) < date).toBe(true)
        expect(dateIn(timeZone, to) > date).toBe(true)
      }
    }
  })

  it('is followed by the next one without a gap', () => {
    const days = daysBetween('Europe/Berlin', Date.UTC(2026, 2, 1), Date.UTC(2026, 3, 15))
    expect(days).toHaveLength(46)
    for (const [index, day] of days.entries()) if (index > 0) expect(day.from).toBe(days[index - 1]?.to)
  })

  it('knows zones from other text', () => {
    expect(['Europe/Berlin', 'Etc/UTC', 'Mars/Base', ''].map(isTimeZone)).toEqual([true, true, false, false])
  })
})
