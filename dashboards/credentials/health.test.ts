import { expect, test } from 'vitest'
import { healthOf } from './health.ts'

const NOW = Date.UTC(2026, 10, 24, 10)
const ago = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString()
const ended = (
  state: 'complete' | 'throttled' | 'failed' | 'empty' | 'parked',
  reason: string | null,
  minutes = 1,
) => ({
  last_run: { state, reason, ended_at: ago(minutes) },
  complete_until: ago(60),
  lag_seconds: 3600,
  next_run_at: ago(-2),
  error_budget: { runs: 100, incomplete: 0, left: 1 },
})
const line = {
  state: 'active',
  reason: null,
  last_success_at: ago(3),
  created_at: ago(600),
  rotated_at: null,
  health: ended('complete', null),
} as const

test('a credential whose last run was complete is active, and there is nothing to say', () => {
  expect(healthOf(line, NOW)).toEqual({ tone: 'good', badge: 'active', why: null, next: null, replace: false })
})

test('a parked one says why, that polling stopped, and that another token is needed', () => {
  const health = healthOf({ ...line, state: 'parked', reason: 'provider_unauthorized' }, NOW)
  expect(health).toMatchObject({ tone: 'bad', badge: 'parked', replace: true })
  expect(`${health.why} ${health.next}`).toContain('no longer accepts this token. Polling has stopped. Create a new')
  expect(healthOf({ ...line, state: 'parked', reason: 'something_new' }, NOW)).toMatchObject({
    badge: 'parked',
    why: 'The last run ended with “something new”.',
    replace: true,
  })
})

test.each([
  ['throttled', 'provider_rate_limited'],
  ['failed', 'provider_server_error'],
  ['empty', 'run_empty'],
  ['failed', 'something_new'],
] as const)('a last run that was %s by %s is told as that, and nobody is sent for a new token', (state, reason) => {
  expect(healthOf({ ...line, health: ended(state, reason) }, NOW)).toMatchObject({
    tone: 'unsure',
    badge: state,
    replace: false,
  })
})

test('what an older token came to is not told of the one in its place', () => {
  const rotated = { ...line, rotated_at: ago(5), health: ended('parked', 'provider_unauthorized', 6) }
  expect(healthOf(rotated, NOW)).toMatchObject({ badge: 'active' })
})

test('silence is late after a quarter of an hour, whether it was ever polled or not', () => {
  expect(healthOf({ ...line, last_success_at: ago(16) }, NOW)).toMatchObject({
    badge: 'late',
    why: 'Its last successful poll was 16 min ago; one is due every few minutes.',
  })
  expect(healthOf({ ...line, last_success_at: null }, NOW).why).toContain('never polled')
  expect(healthOf({ ...line, last_success_at: null, created_at: ago(1) }, NOW).badge).toBe('first poll due')
})
