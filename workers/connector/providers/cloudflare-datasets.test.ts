import { expect, it } from 'vitest'
import { POLL_SECONDS } from '../../../domain/contracts/tiers.ts'
import { METRICS } from '../../../domain/metrics/definitions.ts'
import { HOURLY_ROLLUP } from './cloudflare-datasets.ts'

const ROW = {
  dimensions: { datetime: '2026-11-24T10:00:00Z' },
  sum: { cachedBytes: 1, threats: 1, responseStatusMap: [{ edgeResponseStatus: 200, requests: 1 }] },
  uniq: { uniques: 1 },
}

it('what the hourly roll-up gives is due once it has settled and the slowest tier has polled, and nothing else waits', () => {
  const rolledUp = HOURLY_ROLLUP.values(ROW).map(([name]) => name)
  const waiting = Object.values(METRICS).filter(({ hourDueMs }) => hourDueMs !== undefined)
  expect(waiting.map(({ name }) => name).sort()).toEqual([...rolledUp].sort())
  for (const { hourDueMs = 0 } of waiting)
    expect(hourDueMs).toBeGreaterThanOrEqual(HOURLY_ROLLUP.settlingMs + POLL_SECONDS.free * 1000)
})
