/** What an incident's kind says to a person: in a mail, on the dashboard and on the command line alike. */
export type IncidentWords = {
  /** One sentence without its full stop. */
  readonly title: string
  readonly meaning: string
  readonly next: string
  /** Whether history or keys are in doubt, and not only work that failed. */
  readonly grave: boolean
}

const KEEP_EVIDENCE =
  'Change nothing. Take an export (flarewatch audit export) as evidence, hold it against the checkpoints that were mailed to you, and ask the operator of this deployment for an explanation.'
const ASK_OPERATOR = 'Ask the operator of this deployment; nothing is repaired until they have looked.'

function history(title: string, meaning: string, next = KEEP_EVIDENCE): IncidentWords {
  return { title, meaning, next, grave: true }
}
function keys(title: string, meaning: string, next: string): IncidentWords {
  return { title, meaning, next, grave: true }
}
function work(title: string, meaning: string, next: string): IncidentWords {
  return { title, meaning, next, grave: false }
}

const WORDS: Readonly<Record<string, IncidentWords>> = {
  row_edited: history(
    'A row of the audit log was changed',
    'What is stored is not what was written: its hash no longer fits. No part of Flarewatch changes a written row.',
  ),
  row_deleted: history(
    'A row of the audit log is missing',
    'A row that was written is no longer stored. No part of Flarewatch deletes one.',
  ),
  row_inserted: history(
    'A row was added inside the audit log',
    'There is a row that Flarewatch never wrote, between rows that it did.',
  ),
  row_reordered: history(
    'Rows of the audit log were put in another order',
    'Rows stand at places where they were not written.',
  ),
  tail_truncated: history(
    'The newest rows of the audit log are missing',
    'Rows that the database had acknowledged are gone from the end of the log.',
  ),
  audit_rows_gone: history(
    'Rows of the audit log are gone from the database',
    'The database shows fewer rows than it had acknowledged. It may have been restored from an older copy.',
  ),
  audit_row_rewritten: history(
    'The newest row of the audit log was rewritten',
    'The database shows another row where it had acknowledged ours.',
  ),
  fork: history(
    'There are two histories of the audit log',
    'The stored log holds together by itself, but it is not the one that was written: it was rewritten with all hashes computed anew.',
  ),
  ledger_behind: history(
    'The ledger has lost rows that the database has',
    'The ledger was restored from an older state. New audit rows are refused, and with them every use of a key, until an operator has looked.',
  ),
  head_mismatch: history(
    'The end of the audit log does not match its last row',
    'The place from which the next row is judged was changed apart from the rows.',
  ),
  receipt_inconsistent: history(
    'The audit log contradicts a checkpoint that was signed before',
    'A checkpoint says what the first rows of the log were, and today they are others. Both sides may have been rolled back together.',
  ),
  tenant_missing: history(
    'An agency is missing from the database',
    'The roster of agencies names one that the database has no more.',
  ),
  tenant_unrostered: history(
    'An agency is missing from the roster',
    'The database has an active agency that was never entered into the roster, or was taken out of it.',
  ),
  audit_feed_refused: history(
    'The database refuses new rows of the audit log',
    'The rows are safe in the ledger and wait there; the database says that they do not extend what it has stored.',
    ASK_OPERATOR,
  ),
  budget_exceeded: keys(
    'Keys were used more often than they may be',
    'More keys were released within one hour than any normal work needs. All further use of this agency’s keys is stopped.',
    'Look through the audit log for uses that you do not know. If there are any, replace the tokens at their providers. Then ask the operator to lift the stop.',
  ),
  job_unknown: keys(
    'A key was asked for in the name of work that does not exist',
    'The vault was given the id of a job that was never made, and refused. Nothing was released.',
    'Ask the operator to look at the connector: it may be working for somebody else.',
  ),
  job_credential_mismatch: keys(
    'A key was asked for in the name of other work',
    'The vault was given a job whose key is not the one that it names, and refused. Nothing was released.',
    'Ask the operator to look at the connector: it may be working for somebody else.',
  ),
  credential_lease_mismatch: keys(
    'A key was asked for in the name of other work',
    'The vault refused a release, since the job and its key did not fit together. Nothing was released.',
    'Ask the operator to look at the connector: it may be working for somebody else.',
  ),
  credential_not_openable: keys(
    'A stored token could not be opened',
    'The sealed record, its key or its place was changed, or never fit together.',
    'Look at the credential’s last rows in the audit log, then connect a new token and remove the old one at its provider.',
  ),
  birth_unfinished: work(
    'The creation of an agency was interrupted',
    'Its first audit row was written and its key was not stored.',
    'Create it again under the same name; the creation goes on where it stopped.',
  ),
  job_dead: work(
    'A poll was given up',
    'Every try of one poll failed. The next one goes on from the same place, and no number is lost.',
    'See on the credentials page why it failed. Nothing to do if later polls succeed.',
  ),
  queue_message_refused: work(
    'A message that fits no work was refused',
    'The queue delivered a message that no job explains. After a restart or a long pause that is an old message; often, it is somebody’s attempt.',
    'Nothing to do for a single one. Ask the operator if it happens again.',
  ),
}

/** A kind that is not listed is told by its own name, and taken as grave: better than silence. */
export function incidentWords(kind: string): IncidentWords {
  if (Object.hasOwn(WORDS, kind)) return WORDS[kind] ?? unknown(kind)
  return unknown(kind)
}

export function hasIncidentWords(kind: string): boolean {
  return Object.hasOwn(WORDS, kind)
}

function unknown(kind: string): IncidentWords {
  const meaning = 'Flarewatch raised an incident of a kind that this text does not describe.'
  return { title: `Incident “${kind.replaceAll('_', ' ')}”`, meaning, next: ASK_OPERATOR, grave: true }
}

const PARTS: Readonly<Record<string, string>> = {
  verifier: 'the verifier, which re-checks every log',
  'durable-objects': 'the ledger, which writes the log',
  vault: 'the vault, which holds the keys',
  connector: 'the connector, which polls providers',
}

/** Which part raised it, in words. */
export function partWords(part: string): string {
  return PARTS[part] ?? part
}
