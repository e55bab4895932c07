import { describe, expect, it } from 'vitest'
import type { CredentialHistory } from '../contracts/api.ts'
import { pauseAfter, retryAtOf } from './pace.ts'
import { type BackfillSums, progressOf } from './progress.ts'
import { historyWords } from './words.ts'

const MINUTE = 60_000
const NOW = Date.UTC(2026, 10, 24)

describe('progressOf', () => {
  const sums: BackfillSums = { open: 2, stopped: 0, stored: 250, wanted: 1000, startedAt: NOW, movedAt: NOW + MINUTE }

  it('tells the share that is stored, and how long the rest takes at the pace so far', () => {
    expect(progressOf(sums)).toEqual({ state: 'open', percent: 25, remainingSeconds: 180 })
  })
  it('tells no time before there is a pace, and never a hundred before the end', () => {
    expect(progressOf({ ...sums, startedAt: null, movedAt: null }).remainingSeconds).toBeNull()
    expect(progressOf({ ...sums, movedAt: NOW + 1000 }).remainingSeconds).toBeNull()
    expect(progressOf({ ...sums, stored: 0 })).toMatchObject({ percent: 0, remainingSeconds: null })
    expect(progressOf({ ...sums, stored: 999 }).percent).toBe(99)
    expect(progressOf({ ...sums, wanted: 0 }).percent).toBe(0)
  })
  it('is done when none is open, and stopped where one was given up', () => {
    expect(progressOf({ ...sums, open: 0 })).toEqual({ state: 'done', percent: 100, remainingSeconds: null })
    expect(progressOf({ ...sums, open: 0, stopped: 1 }).state).toBe('stopped')
    expect(progressOf({ ...sums, stopped: 1 }).state).toBe('open')
  })
})

describe('a slice that fails', () => {
  it('is tried again after 1, 2, 4 ... 60 minutes, through a night of trouble, and then given up', () => {
    const after = (failures: number) => {
      const at = retryAtOf('provider_server_error', failures, NOW)
      return at === null ? null : (at - NOW) / MINUTE
    }
    expect([1, 2, 3, 4, 5, 6, 7, 13, 14].map(after)).toEqual([1, 2, 4, 8, 16, 32, 60, 60, null])
  })
  it('is given up at once where no waiting helps', () => {
    expect(retryAtOf('provider_zone_forbidden', 1, NOW)).toBeNull()
    expect(retryAtOf('site_missing', 1, NOW)).not.toBeNull()
  })
})

describe('a job that ends', () => {
  it('is followed at once, after a minute where the provider or the polls need it, later where it is our trouble', () => {
    expect(pauseAfter('done', 'complete')).toBe(0)
    expect(pauseAfter('done', 'partial')).toBe(0)
    expect(pauseAfter('done', 'throttled')).toBe(MINUTE)
    expect(pauseAfter('failed', 'parked')).toBe(15 * MINUTE)
    expect(pauseAfter('dead', 'failed')).toBe(15 * MINUTE)
  })
})

describe('historyWords', () => {
  const history: CredentialHistory = {
    state: 'open',
    percent: 42,
    remaining_seconds: 330,
    oldest_at: '2026-10-02T00:00:00.000Z',
    resync: false,
    reason: null,
  }

  it('tells how far it is, and how long it takes', () => {
    expect(historyWords(history)).toBe('42 % of the history is read, back to 2026-10-02; about 6 min left.')
    const long = { ...history, remaining_seconds: 3 * 86_400, resync: true }
    expect(historyWords(long)).toBe('42 % is read again; about 3 days left.')
    expect(historyWords({ ...history, state: 'done' })).toBeNull()
  })
  it('tells why it waits, or stopped', () => {
    const waiting = { ...history, remaining_seconds: null, reason: 'quota_left_to_polls' }
    expect(historyWords(waiting)).toContain('; waits: the rest of the provider’s quota is left to polls.')
    const stopped = { ...history, state: 'stopped', reason: 'site_missing' } as const
    expect(historyWords(stopped)).toContain('the rest was given up: a site is gone at the provider.')
  })
})
