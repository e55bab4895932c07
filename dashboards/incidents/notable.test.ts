import { describe, expect, test } from 'vitest'
import { type Incident, notableOf } from './notable.ts'

const NOW = Date.UTC(2026, 10, 26, 12)
const HOUR = 3_600_000

function incident(kind: string, hoursAgo: number): Incident {
  const at = new Date(NOW - hoursAgo * HOUR).toISOString()
  return { id: crypto.randomUUID(), kind, seq: null, part: 'verifier', at, acknowledged_at: null }
}

describe('L4: what the banner says', () => {
  test('is nothing when nothing is open', () => {
    expect(notableOf([], NOW)).toBeNull()
  })

  test('names the newest of the gravest, and counts what it stands for', () => {
    const open = [incident('job_dead', 1), incident('fork', 90), incident('row_edited', 80), incident('job_dead', 30)]
    const notable = notableOf(open, NOW)
    expect([notable?.first.kind, notable?.count, notable?.words.grave]).toEqual(['row_edited', 3, true])
  })

  test('stays for as long as history or keys are in doubt, and for a day when only work failed', () => {
    expect(notableOf([incident('fork', 24 * 400)], NOW)?.first.kind).toBe('fork')
    expect(notableOf([incident('job_dead', 23)], NOW)?.words.grave).toBe(false)
    expect(notableOf([incident('job_dead', 24)], NOW)).toBeNull()
  })

  test('takes a kind that it does not know for grave', () => {
    expect(notableOf([incident('brand_new', 48)], NOW)?.words.grave).toBe(true)
  })
})
