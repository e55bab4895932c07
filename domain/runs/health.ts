import type { CredentialHealth } from '../contracts/api.ts'

const MINUTE_SECONDS = 60
const HOUR_SECONDS = 60 * MINUTE_SECONDS
const DAY_SECONDS = 24 * HOUR_SECONDS

/** "1 h 30 min": two units at most. */
export function lagText(seconds: number): string {
  if (seconds < MINUTE_SECONDS) return 'under a minute'
  if (seconds < HOUR_SECONDS) return `${Math.floor(seconds / MINUTE_SECONDS)} min`
  if (seconds < 2 * DAY_SECONDS) {
    return `${Math.floor(seconds / HOUR_SECONDS)} h ${Math.floor((seconds % HOUR_SECONDS) / MINUTE_SECONDS)} min`
  }
  return `${Math.floor(seconds / DAY_SECONDS)} days ${Math.floor((seconds % DAY_SECONDS) / HOUR_SECONDS)} h`
}

export function nextRunText(at: string | null, now: number): string {
  if (at === null) return 'none while parked'
  const seconds = (Date.parse(at) - now) / 1000
  return seconds <= 0 ? 'due now' : `in ${lagText(seconds)}`
}

/** What is left of the runs that may end otherwise than complete. */
export function budgetText({ left }: CredentialHealth['error_budget']): string {
  if (left === null) return 'no run counted yet'
  return left <= 0 ? 'used up' : `${Math.floor(left * 100)} % left`
}
