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
  receipt_missing: history(
    'A signed checkpoint is gone',
    'A checkpoint that was published is no longer in one of its two places. The one in the other place, and those that were mailed, still hold.',
  ),
  verification_forged: history(
    'The verifier’s own notes were changed',
    'Somebody else wrote down how far the log had been checked. The check began anew from the first row.',
  ),
  night_missed: history(
    'The log was not checked from end to end for more than a day',
    'The nightly check did not come to its end. The log may be sound; nobody has looked.',
    ASK_OPERATOR,
  ),
  receipts_stalled: history(
    'The log has stopped growing or being signed while keys are used',
    'Rows are not signed, do not reach the database, or are not written although keys are released.',
    ASK_OPERATOR,
  ),
  pruned_without_certificate: history(
    'The first rows of the audit log are missing',
    'Old rows may leave the log after a year, and only with a signed certificate of what they were. There is none for these.',
  ),
  certificate_inconsistent: history(
    'A certificate of pruned rows does not fit the log',
    'The certificate and the rows after it cannot both be true, or one of its two copies is gone.',
  ),
  ledger_lost: history(
    'The ledger of an agency is empty',
    'The database has audit rows, and the ledger that wrote them knows of none. New rows are refused until an operator has restored it.',
    ASK_OPERATOR,
  ),
  postgres_behind: history(
    'The database has fewer audit rows than were seen in it before',
    'A recovery found that the newest rows are missing from the database.',
  ),
  rows_not_ours: history(
    'The audit log holds rows that Flarewatch did not seal',
    'They hash well, and they do not open by the agency’s audit key: whoever wrote them does not have it.',
  ),
  chain_empty: history('The audit log is empty', 'A recovery found no row where there must be some.'),
  chain_broken: history(
    'The audit log does not hold together',
    'A recovery found a row that does not follow the one before.',
  ),
  receipt_contradicted: history(
    'The audit log contradicts a checkpoint that was signed before',
    'A recovery found other rows than those that the checkpoint signs.',
  ),
  backup_contradicted: history(
    'The audit log contradicts a backup of the ledger',
    'A recovery found other rows than those that the backup knew.',
  ),
  ledger_contradicted: history(
    'The audit log contradicts the ledger',
    'A recovery found other rows than those that the ledger wrote.',
  ),
  refeed_refused: history(
    'Rows could not be put back into the audit log',
    'An operator had the ledger send missing rows again, and the database refused them.',
    ASK_OPERATOR,
  ),
  roster_conflict: history(
    'The roster knows another first row of this agency',
    'A recovery found that the log begins otherwise than the roster recorded.',
  ),
  guards_off: history(
    'Protections of the audit log are switched off in the database',
    'Row-level security, a trigger or a policy that keeps rows from being changed is not in force.',
  ),
  guards_changed: history(
    'Protections of the audit log were changed in the database',
    'Row-level security, a trigger, a policy or a function was altered since the last check, perhaps only for a while. An update of Flarewatch does that too.',
    'If Flarewatch was not updated at that time, ask the operator for an explanation, and hold the log against the checkpoints that were mailed to you.',
  ),
  tenant_undeleted: history(
    'An agency that was deleted is there again',
    'Its keys were destroyed and its deletion recorded, and one side has it all the same: an older copy was put back.',
  ),
  deletion_unwitnessed: history(
    'An agency is said to be deleted and was not',
    'The database says that it was deleted; the roster, which every deletion is told to, knows nothing of it.',
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
  credential_key_damaged: keys(
    'A key was damaged on its way',
    'While stored tokens were re-encrypted, a key arrived other than it was sent. Nothing was replaced.',
    ASK_OPERATOR,
  ),
  rewrap_not_openable: keys(
    'A wrapped key does not open',
    'While keys were moved to a new version, one did not open under the version that it names. It was left as it was.',
    ASK_OPERATOR,
  ),
  restore_unproven: keys(
    'Restored keys do not open what they must',
    'After a restore, the record that proves it could not be opened: the backup is of another time, or of another agency.',
    ASK_OPERATOR,
  ),
  epoch_held: work(
    'Old audit rows stay longer than a year',
    'Rows past their year leave only when every certificate of their month agrees with them, and one does not yet.',
    ASK_OPERATOR,
  ),
  deletion_unfinished: work(
    'The deletion of an agency was interrupted',
    'It was begun an hour ago or longer. Its members are out and nothing is polled; rows of it may be left.',
    'The operator gives the same command again; it goes on where it stopped.',
  ),
  birth_unfinished: work(
    'The creation of an agency was interrupted',
    'Its first audit row was written and its key was not stored.',
    'Create it again under the same name; the creation goes on where it stopped.',
  ),
  job_dead: work(
    'A poll was given up',
    'Every try of one poll failed. The next one goes on from the same place, and no number is lost.',
    'Nothing to do if a later run was complete. Why it failed is among the dead letters (on the incidents page, or flarewatch dlq list), and there it is replayed.',
  ),
  webhook_not_openable: keys(
    'A webhook’s event in the inbox could not be opened',
    'What is stored is not what the vault sealed for this agency. The event was set aside unread, and its account is polled instead.',
    ASK_OPERATOR,
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
