import type { RunState } from '../contracts/runs.ts'

/** What a person is told: one or two sentences each. */
export type RunWords = { readonly meaning: string; readonly next: string }
export type ReasonWords = RunWords & {
  /** Whether what to do is to connect another token. */
  readonly replace?: true
}

const GOES_ON = 'Nothing to do: polling goes on by itself.'
const REPORT = 'Report this: the fault is ours.'
const SUPPORT = 'Contact support if it lasts.'

export const STATE_WORDS: { readonly [State in RunState]: RunWords } = {
  complete: { meaning: 'Everything that was due was read to its end.', next: 'Nothing to do.' },
  partial: { meaning: 'Some of what was due was read; what is stored stays.', next: GOES_ON },
  throttled: {
    meaning: 'The provider asked to slow down.',
    next: 'Nothing to do: polling waits as long as it was told to, then goes on.',
  },
  empty: { meaning: 'The provider answered whole, and had no numbers.', next: GOES_ON },
  parked: { meaning: 'The provider does not accept the token, so polling has stopped.', next: 'Connect a new token.' },
  failed: { meaning: 'Nothing was read.', next: GOES_ON },
}

function told(meaning: string, next: string = GOES_ON): ReasonWords {
  return { meaning, next }
}
function needsToken(meaning: string, next: string): ReasonWords {
  return { meaning, next, replace: true }
}

/**
 * Every reason that a run can end with: a stable word in the job, on the credential's line and in the audit log. Connector and
 * providers are typed by it, so that none is without words; those of SQL are held against it by a test.
 */
export const REASON_WORDS = {
  provider_unauthorized: needsToken(
    'The provider no longer accepts this token.',
    'Polling has stopped. Create a new token at the provider and connect it.',
  ),
  provider_forbidden: needsToken(
    'The provider refuses this token what it needs.',
    'Polling has stopped. Check the token’s permissions at the provider, or create a new one, and connect it.',
  ),
  provider_zone_forbidden: told(
    'A zone is closed to this token.',
    'Give the token Analytics: Read for every zone that it lists.',
  ),
  provider_rate_limited: STATE_WORDS.throttled,
  provider_server_error: told('The provider had an error of its own.'),
  provider_timeout: told('The provider did not answer in time.'),
  provider_unreachable: told('The provider could not be reached, or broke off its answer.'),
  provider_reply_invalid: told('The provider’s answer could not be read.'),
  provider_reply_too_large: told('The provider’s answer was too large.'),
  provider_query_refused: told('The provider refused our query.', 'Report this: the query is ours.'),
  page_repeated: told('The provider gave the same page twice, so the run was stopped.'),
  run_empty: told('The provider has no numbers for any site, so the run does not count as a success.'),
  dataset_empty: told('One kind of data was empty for every site in the last run.'),
  dataset_unavailable: told(
    'The provider gives no figures for any of the sites.',
    'Look up at the provider which plan they are part of.',
  ),
  dataset_fields_limited: told('The plan of a site gives fewer fields than one kind of data takes.'),
  sites_unread: told('Which sites the key reaches could not be asked in the last run.'),
  site_empty: told('One site had no data in the last run.'),
  rows_incomplete: told(
    'The provider left out some of the days that its own totals count.',
    'Nothing to do: the same days are read again.',
  ),
  site_missing: told(
    'One of the sites is gone at the provider.',
    'Add it there again, or connect a key of the team that has it now.',
  ),
  no_sites: told(
    'No site is left to this token: another one took them over.',
    'Delete it, or connect it again to give its sites back to it.',
  ),
  project_forbidden: told(
    'The database of one project is closed to this token.',
    'At Supabase, let the token’s user read that project, or connect a token that leaves it out.',
  ),
  project_unread: told('The database of one project gave no reading; the others did.'),
  subscriptions_forbidden: told(
    'The key may not read subscriptions, so there is no MRR. Revenue is read all the same.',
    'At Stripe, set Subscriptions and Coupons to Read for it, or replace it by a key that has both.',
  ),
  subscriptions_too_many: told(
    'The account has more subscriptions than a run reads, so there is no MRR.',
    'Report this: the bound is ours.',
  ),
  webhook_unregistered: told(
    'The provider delivers no webhooks to the address that was set up here.',
    'Enter the address there.',
  ),
  run_too_long: told('The last run was cut short by its time limit.', 'The next one goes on where it stopped.'),
  quota_left_to_polls: told(
    'What is left of the provider’s quota is kept for polls.',
    'Nothing to do: the history is read on when there is room.',
  ),
  history_unsupported: told('This provider keeps no history to read.', 'Nothing to do.'),
  tenant_frozen: told('Use of keys is frozen for this agency, as a precaution.', 'Contact support to lift it.'),
  budget_exceeded: told(
    'Keys were used more often in this hour than they may.',
    'Nothing to do: polling goes on in the next hour.',
  ),
  ledger_unreachable: told('The use of the key could not be put on record, so it was not used.'),
  ledger_refused: told('The use of the key could not be put on record, so it was not used.', SUPPORT),
  vault_unreachable: told('The key vault did not answer.'),
  store_unreachable: told('Our database did not answer.'),
  limits_unreachable: told('Our count of the provider’s quota could not be read, so the provider was not asked.'),
  job_not_leased: told('The run outlived its lease before the key was asked for.'),
  event_not_waiting: told('What the key was asked for was done already.', REPORT),
  reseal_not_needed: told('The token was under the newest key already.', 'Nothing to do.'),
  record_moved: told('The stored token was replaced or moved to a newer key meanwhile.'),
  lease_mismatch: told('The key that was released was another one’s, and was not used.', REPORT),
  key_damaged: told('A key arrived damaged, and nothing was replaced.', SUPPORT),
  not_openable: needsToken('The stored token could not be opened.', 'Contact support, or connect a new token.'),
  retries_exhausted: told('Every try failed, and none left a reason.'),
  lease_expired: told('Whoever did the run was lost, time and again.', SUPPORT),
  credential_parked: needsToken('The token was parked when the run began.', 'Connect a new token.'),
  credential_deleted: told('The token was deleted while the run was under way.', 'Nothing to do.'),
  tenant_deleted: told('The agency was deleted while the run was under way.', 'Nothing to do.'),
} as const satisfies Readonly<Record<string, ReasonWords>>
export type RunReason = keyof typeof REASON_WORDS

export function isRunReason(word: string): word is RunReason {
  return Object.hasOwn(REASON_WORDS, word)
}

/** The reason's words where it has some; one that is not listed is told by its own name: better than silence. */
export function runWords(state: RunState | null, reason: string | null): ReasonWords {
  if (reason !== null && isRunReason(reason)) return REASON_WORDS[reason]
  const words = state === null ? { meaning: 'The run has not ended yet.', next: GOES_ON } : STATE_WORDS[state]
  if (reason === null) return words
  return { ...words, meaning: `The last run ended with “${reason.replaceAll('_', ' ')}”.` }
}
