const GOES_ON = 'Polling goes on by itself.'

/** Why a credential is parked or its last run was not whole, and what to do. Words of the connector and of the doors. */
const REASONS: Readonly<Record<string, string>> = {
  provider_unauthorized: 'The provider no longer accepts this token. Create a new one and connect it.',
  provider_forbidden: 'The provider refuses this token what it needs. Check its permissions, or connect a new one.',
  provider_zone_forbidden: 'A zone is closed to this token. Give the token Analytics: Read for every zone it lists.',
  provider_rate_limited: `The provider asked to slow down. ${GOES_ON}`,
  provider_server_error: `The provider had an error of its own. ${GOES_ON}`,
  provider_timeout: `The provider did not answer in time. ${GOES_ON}`,
  provider_unreachable: `The provider could not be reached. ${GOES_ON}`,
  provider_reply_invalid: `The provider’s answer could not be read. ${GOES_ON}`,
  provider_reply_too_large: `The provider’s answer was too large. ${GOES_ON}`,
  provider_query_refused: 'The provider refused our query. Report this: the query is ours.',
  page_repeated: `The provider gave the same page twice, so the run was stopped. ${GOES_ON}`,
  run_empty: `The last run brought no numbers, so it does not count as a success. ${GOES_ON}`,
  dataset_empty: `One kind of data was empty for every site in the last run. ${GOES_ON}`,
  site_empty: `One site had no data in the last run. ${GOES_ON}`,
  run_too_long: `The last run was cut short by its time limit and goes on where it stopped.`,
  tenant_frozen: 'Use of keys is frozen for this agency, as a precaution. Contact support.',
  budget_exceeded: 'Keys were used more often in this hour than they may. Polling goes on in the next hour.',
  ledger_unreachable: `The use of the key could not be put on record, so it was not used. ${GOES_ON}`,
  vault_unreachable: `The key vault did not answer. ${GOES_ON}`,
  not_openable: 'The stored token could not be opened. Contact support, or connect a new token.',
}

/** An unknown reason is shown as it is: better than none. */
export function reasonText(reason: string): string {
  return REASONS[reason] ?? `The last run ended with “${reason.replaceAll('_', ' ')}”.`
}
