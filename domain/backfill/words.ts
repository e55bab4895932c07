import type { CredentialHistory } from '../contracts/api.ts'

/** Why a history waits, to a person: what else it may be is told by its code. */
const REASONS: Readonly<Record<string, string>> = {
  quota_left_to_polls: 'the rest of the provider’s quota is left to polls',
  provider_rate_limited: 'the provider asked to slow down',
  provider_server_error: 'the provider had an error of its own',
  provider_timeout: 'the provider did not answer in time',
  provider_unreachable: 'the provider could not be reached',
  provider_reply_invalid: 'the provider’s answer could not be believed',
  provider_zone_forbidden: 'a zone is closed to this key',
  site_missing: 'a site is gone at the provider',
  tenant_frozen: 'use of keys is frozen for this agency',
  budget_exceeded: 'keys were used more often in this hour than they may',
}

/** "42 % of the history is read, back to 2026-10-02; about 6 min left." Null where nothing is left to tell. */
export function historyWords(history: CredentialHistory): string | null {
  const { state, percent, resync, oldest_at, reason } = history
  if (state === 'done') return null
  const since = oldest_at.slice(0, 10)
  const why = reason === null ? null : (REASONS[reason] ?? reason)
  if (state === 'stopped')
    return `History is read back to ${since}; of some site the rest was given up: ${why ?? 'unknown'}.`
  const what = resync ? `${percent} % is read again` : `${percent} % of the history is read, back to ${since}`
  return `${[what, timeLeft(history.remaining_seconds), why === null ? null : `waits: ${why}`].filter((part) => part !== null).join('; ')}.`
}

function timeLeft(seconds: number | null): string | null {
  if (seconds === null) return null
  const minutes = Math.max(1, Math.ceil(seconds / 60))
  if (minutes < 90) return `about ${minutes} min left`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `about ${hours} h left` : `about ${Math.round(hours / 24)} days left`
}
