import type { RunState } from '../contracts/runs.ts'

const MINUTE_MS = 60_000

/** Of each key's quota, kept for its polls: a history that finds less left goes on later. */
export const RESERVED_SHARE = 0.5

/** A night of trouble at the provider is waited out; what fails longer is no trouble that passes. */
const MOST_FAILURES = 14
const LONGEST_PAUSE_MS = 60 * MINUTE_MS

/** What is our own trouble, or a person's to mend, needs no job a minute. */
const PAUSE_AFTER_FAILURE_MS = 15 * MINUTE_MS

/** How long all of a credential's history waits after a job that ended like this, at least. */
export function pauseAfter(state: 'done' | 'failed' | 'dead', runState: RunState): number {
  if (state !== 'done') return PAUSE_AFTER_FAILURE_MS
  return runState === 'throttled' ? MINUTE_MS : 0
}

/** Failures that no waiting mends: the site is closed to the key. One that a list leaves out once is no proof that it is gone. */
const FINAL: ReadonlySet<string> = new Set(['provider_zone_forbidden'])

/** When a slice that failed is tried again: after 1, 2, 4 ... 60 minutes; null when it is given up. */
export function retryAtOf(reason: string, failures: number, now: number): number | null {
  if (FINAL.has(reason) || failures >= MOST_FAILURES) return null
  return now + Math.min(MINUTE_MS * 2 ** Math.max(0, failures - 1), LONGEST_PAUSE_MS)
}
