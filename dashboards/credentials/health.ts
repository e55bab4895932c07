import type { CredentialLine, z } from '../data/schemas.ts'
import { formatAge } from '../view/format.ts'
import { STALE_AFTER_MS } from '../view/provenance.ts'

export type Line = z.infer<typeof CredentialLine>
export type Health = {
  readonly tone: 'good' | 'unsure' | 'bad'
  readonly badge: string
  /** What happened, and what to do about it; null where all is well. */
  readonly why: string | null
  readonly next: string | null
  /** Whether what to do is to connect another token. */
  readonly replace: boolean
}

type Reason = Omit<Health, 'tone'>
const GOES_ON = 'Nothing to do: polling goes on by itself.'

function parked(why: string, next: string): Reason {
  return { badge: 'parked', why, next, replace: true }
}
function failing(why: string, next = GOES_ON): Reason {
  return { badge: 'failing', why, next, replace: false }
}
function incomplete(why: string, next = GOES_ON): Reason {
  return { badge: 'incomplete', why, next, replace: false }
}

/** Words of the connector and of the vault's doors. */
const REASONS: Readonly<Record<string, Reason>> = {
  provider_unauthorized: parked(
    'The provider no longer accepts this token.',
    'Polling has stopped. Create a new token at the provider and connect it.',
  ),
  provider_forbidden: parked(
    'The provider refuses this token what it needs.',
    'Polling has stopped. Check the token’s permissions at the provider, or create a new one, and connect it.',
  ),
  provider_zone_forbidden: incomplete(
    'A zone is closed to this token.',
    'Give the token Analytics: Read for every zone that it lists.',
  ),
  provider_rate_limited: {
    badge: 'throttled',
    why: 'The provider asked to slow down.',
    next: 'Nothing to do: polling waits as long as it was told to, then goes on.',
    replace: false,
  },
  provider_server_error: failing('The provider had an error of its own.'),
  provider_timeout: failing('The provider did not answer in time.'),
  provider_unreachable: failing('The provider could not be reached, or broke off its answer.'),
  provider_reply_invalid: failing('The provider’s answer could not be read.'),
  provider_reply_too_large: failing('The provider’s answer was too large.'),
  provider_query_refused: failing('The provider refused our query.', 'Report this: the query is ours.'),
  page_repeated: failing('The provider gave the same page twice, so the run was stopped.'),
  run_empty: incomplete('The last run brought no numbers, so it does not count as a success.'),
  dataset_empty: incomplete('One kind of data was empty for every site in the last run.'),
  dataset_fields_limited: incomplete('The plan of a site gives fewer fields than one kind of data takes.'),
  sites_unread: incomplete('Which sites the key reaches could not be asked in the last run.'),
  site_empty: incomplete('One site had no data in the last run.'),
  rows_incomplete: incomplete(
    'The provider left out some of the days that its own totals count.',
    'Nothing to do: the same days are read again.',
  ),
  site_missing: incomplete(
    'One of the sites is gone at the provider.',
    'Add it there again, or connect a key of the team that has it now.',
  ),
  project_forbidden: incomplete(
    'The database of one project is closed to this token.',
    'At Supabase, let the token’s user read that project, or connect a token that leaves it out.',
  ),
  project_unread: incomplete('The database of one project gave no reading; the others did.'),
  run_too_long: incomplete('The last run was cut short by its time limit.', 'The next one goes on where it stopped.'),
  tenant_frozen: {
    badge: 'frozen',
    why: 'Use of keys is frozen for this agency, as a precaution.',
    next: 'Contact support to lift it.',
    replace: false,
  },
  budget_exceeded: {
    badge: 'paused',
    why: 'Keys were used more often in this hour than they may.',
    next: 'Nothing to do: polling goes on in the next hour.',
    replace: false,
  },
  ledger_unreachable: failing('The use of the key could not be put on record, so it was not used.'),
  ledger_refused: failing(
    'The use of the key could not be put on record, so it was not used.',
    'Contact support if it lasts.',
  ),
  vault_unreachable: failing('The key vault did not answer.'),
  store_unreachable: failing('Our database did not answer.'),
  limits_unreachable: failing('Our count of the provider’s quota could not be read, so the provider was not asked.'),
  retries_exhausted: failing('The last run failed at every try.'),
  not_openable: {
    badge: 'failing',
    why: 'The stored token could not be opened.',
    next: 'Contact support, or connect a new token.',
    replace: true,
  },
}

const DELETED: Health = {
  tone: 'unsure',
  badge: 'deleted',
  why: 'Its token was destroyed; the figures of its sites stay as they are.',
  next: null,
  replace: false,
}
const HEALTHY: Health = { tone: 'good', badge: 'active', why: null, next: null, replace: false }

/** How a credential's polling fares, in words: why, and what to do next. */
export function healthOf(line: Pick<Line, 'state' | 'reason' | 'last_success_at' | 'created_at'>, now: number): Health {
  if (line.reason === 'credential_deleted') return DELETED
  if (line.state === 'parked') {
    const known = line.reason === null ? undefined : REASONS[line.reason]
    const told = known ?? parked(unknownReason(line.reason), 'Polling has stopped. Connect a new token.')
    return { ...told, tone: 'bad', badge: 'parked', replace: true }
  }
  if (line.reason !== null) {
    const told = REASONS[line.reason] ?? failing(unknownReason(line.reason))
    return { ...told, tone: told.replace ? 'bad' : 'unsure', badge: told.badge === 'parked' ? 'failing' : told.badge }
  }
  return silence(line, now) ?? HEALTHY
}

/** No bad news is no good news either once the last good news is old. */
function silence(line: Pick<Line, 'last_success_at' | 'created_at'>, now: number): Health | null {
  const since = Date.parse(line.last_success_at ?? line.created_at)
  const told = { tone: 'unsure', replace: false } as const
  if (now - since > STALE_AFTER_MS) {
    const why =
      line.last_success_at === null
        ? `It was never polled, though it was connected ${formatAge(since, now)}.`
        : `Its last successful poll was ${formatAge(since, now)}; one is due every few minutes.`
    return { ...told, badge: 'late', why, next: 'If it stays so, ask the operator of this deployment.' }
  }
  if (line.last_success_at !== null) return null
  return { ...told, badge: 'first poll due', why: null, next: 'Its first numbers arrive within a minute or two.' }
}

/** An unknown reason is shown as it is: better than none. */
function unknownReason(reason: string | null): string {
  return reason === null ? 'No reason was recorded.' : `The last run ended with “${reason.replaceAll('_', ' ')}”.`
}
