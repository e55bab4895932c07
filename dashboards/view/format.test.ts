import { expect, test } from 'vitest'
import {
  formatAge,
  formatBytes,
  formatCompact,
  formatCount,
  formatDateTime,
  formatInstant,
  formatTime,
  zoneLabel,
} from './format.ts'

test('counts are grouped by thousands and never shortened', () => {
  expect([0, 999, 1000, 1234567].map(formatCount)).toEqual(['0', '999', '1,000', '1,234,567'])
})

test('bytes keep three significant digits in decimal units, and never read as 1000 of a unit', () => {
  expect([0, 999, 999.6, 1000, 1536, 12_340_000, 999_600_000, 4.2e15, 5e18].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1.00 kB',
    '1.00 kB',
    '1.54 kB',
    '12.3 MB',
    '1.00 GB',
    '4.20 PB',
    '5000 PB',
  ])
})

test('an axis tells bytes in their units too, without idle zeros', () => {
  const bytes = { unit: 'bytes', currency: null } as const
  expect([0, 500e6, 1.5e9, 6e9].map((value) => formatCompact(value, bytes))).toEqual([
    '0 B',
    '500 MB',
    '1.5 GB',
    '6 GB',
  ])
})

test('an age is told in the largest unit that fits, and a clock ahead of ours reads as now', () => {
  const now = Date.UTC(2026, 10, 24)
  expect([-5, 1, 15, 61, 60 * 47, 60 * 49].map((minutes) => formatAge(now - minutes * 60_000, now))).toEqual([
    'just now',
    '1 min ago',
    '15 min ago',
    '1 h ago',
    '47 h ago',
    '2 days ago',
  ])
})

test('an instant is shown in the zone that is asked for, and in UTC when the zone is not known', () => {
  const at = Date.UTC(2026, 10, 24, 23, 30)
  expect(formatDateTime(at, 'UTC')).toBe('24 Nov 2026, 23:30')
  expect(formatDateTime(at, 'Europe/Zurich')).toBe('25 Nov 2026, 00:30')
  expect(formatTime(at, 'Mars/Olympus')).toBe('23:30')
  expect(['UTC', 'Etc/UTC', 'America/New_York', 'Mars/Olympus'].map(zoneLabel)).toEqual([
    'UTC',
    'UTC',
    'America/New York',
    'UTC',
  ])
})

test('the time of a record has its seconds, in UTC', () => {
  expect(formatInstant(Date.UTC(2026, 10, 24, 9, 5, 7, 120))).toBe('24 Nov 2026, 09:05:07')
})
