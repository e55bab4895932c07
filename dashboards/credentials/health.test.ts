import { expect, test } from 'vitest'
import { healthOf } from './health.ts'

const NOW = Date.UTC(2026, 10, 24, 10)
const ago = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString()
const line = { state: 'active', reason: null, last_success_at: ago(3), created_at: ago(600) } as const

test('a credential that was polled lately is active, and there is nothing to say', () => {
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
  ['provider_rate_limited', 'throttled'],
  ['provider_server_error', 'failing'],
  ['run_empty', 'incomplete'],
  ['budget_exceeded', 'paused'],
  ['something_new', 'failing'],
])('%s is told apart as %s, and nobody is sent for a new token', (reason, badge) => {
  expect(healthOf({ ...line, reason }, NOW)).toMatchObject({ tone: 'unsure', badge, replace: false })
})

test('silence is late after a quarter of an hour, whether it was ever polled or not', () => {
  expect(healthOf({ ...line, last_success_at: ago(16) }, NOW)).toMatchObject({
    badge: 'late',
    why: 'Its last successful poll was 16 min ago; one is due every few minutes.',
  })
  expect(healthOf({ ...line, last_success_at: null }, NOW).why).toContain('never polled')
  expect(healthOf({ ...line, last_success_at: null, created_at: ago(1) }, NOW).badge).toBe('first poll due')
})
