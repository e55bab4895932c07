import { OUTCOME_ACTION } from '../../domain/contracts/acts.ts'
import type { Outcome, Row } from './acts.ts'

/** What turns ids into what a person calls them. */
export type Names = {
  readonly me: string | null
  /** By credential id: the last four characters of its token. */
  readonly credentials: ReadonlyMap<string, string>
}
const SHORT_ID = 8

export function actorText(actor: string, { me }: Pick<Names, 'me'>): string {
  if (actor === '') return 'Nobody readable'
  const [kind, id = ''] = splitName(actor)
  if (kind === 'user') return id === me ? 'You' : `Member ${id.slice(0, SHORT_ID)}`
  return ACTORS[actor] ?? actor
}
const ACTORS: Readonly<Record<string, string>> = {
  connector: 'Connector',
  gateway: 'A webhook',
  operator: "Flarewatch's operator",
}

export function targetText(target: string, { credentials }: Pick<Names, 'credentials'>): string {
  const [kind, id = ''] = splitName(target)
  if (kind === 'tenant') return 'the agency'
  if (kind === 'operator_key') return `operator key ${id.slice(0, SHORT_ID)}`
  if (kind === 'invitation') return `invitation ${id.slice(0, SHORT_ID)}`
  if (kind === 'webhook_endpoint') return `address ····${id.slice(-4)}`
  if (kind === 'job') return `run ${id.slice(0, SHORT_ID)}`
  if (kind === 'webhook_event') return `event ${id.slice(0, SHORT_ID)}`
  if (kind === 'member') return `member ${id.slice(0, SHORT_ID)}`
  if (kind !== 'credential') return target
  const last4 = credentials.get(id)
  return last4 === undefined ? `credential ${id.slice(0, SHORT_ID)}` : `credential ····${last4}`
}

/** `did`, then what it was done to; null where the words say it already. */
type Phrase = { readonly did: string; readonly label: string; readonly onTarget: boolean }
const PHRASES: Readonly<Record<string, Phrase>> = {
  'tenant.create': { did: 'created the agency', label: 'Agency created', onTarget: false },
  'step_up.mint': { did: 'got permission for an act on', label: 'Permission given', onTarget: true },
  'step_up.refused': { did: 'was refused permission for an act on', label: 'Permission refused', onTarget: true },
  'credential.store': { did: 'stored', label: 'Credential stored', onTarget: true },
  'console.query': { did: 'ran a statement in the console', label: 'Statement run', onTarget: false },
  'credential.rotate': { did: 'replaced the token of', label: 'Token replaced', onTarget: true },
  'credential.delete': { did: 'deleted', label: 'Credential deleted', onTarget: true },
  'provider.purge_cache': { did: 'purged a cache with', label: 'Cache purged', onTarget: true },
  'provider.verify_domain': { did: 'had a domain verified with', label: 'Domain verified', onTarget: true },
  'provider.read_suppressions': { did: 'read a suppression list with', label: 'Suppressions read', onTarget: true },
  'provider.remove_suppression': { did: 'removed a suppression with', label: 'Suppression removed', onTarget: true },
  'credential.open': { did: 'opened', label: 'Credential opened', onTarget: true },
  'webhook.judge': { did: 'came in at', label: 'Webhook judged', onTarget: true },
  'webhook.open': { did: 'opened', label: 'Webhook opened', onTarget: true },
  'webhook.reconcile': { did: 'filled in events that never came to', label: 'Webhooks reconciled', onTarget: true },
  'credential.reseal': { did: 're-encrypted', label: 'Credential re-encrypted', onTarget: true },
  'credential.reveal': { did: 'revealed to an operator key', label: 'Credential revealed', onTarget: true },
  'operator_key.enrol': { did: 'enrolled', label: 'Operator key enrolled', onTarget: true },
  'operator_key.remove': { did: 'removed', label: 'Operator key removed', onTarget: true },
  'tenant_dek.rotate': { did: "made the agency's next encryption key", label: 'Key rotated', onTarget: false },
  'tenant_dek.destroy': {
    did: "destroyed the agency's old encryption key",
    label: 'Old key destroyed',
    onTarget: false,
  },
  'dead_letter.replay': { did: 'replayed', label: 'Dead letter replayed', onTarget: true },
  'tenant.tier': { did: "set the agency's tier", label: 'Tier set', onTarget: false },
  'tenant.freeze': { did: "froze the agency's keys", label: 'Frozen', onTarget: false },
  'tenant.unfreeze': { did: "let the agency's keys go on", label: 'Unfrozen', onTarget: false },
  'member.invite': { did: 'invited a person to the agency', label: 'Person invited', onTarget: false },
  'invitation.withdraw': { did: 'withdrew', label: 'Invitation withdrawn', onTarget: true },
  'credential.resync': { did: 'had read again', label: 'Window read again', onTarget: true },
  'member.join': { did: 'accepted an invitation to the agency', label: 'Person joined', onTarget: false },
  'member.role': { did: 'changed the role of', label: 'Role changed', onTarget: true },
  'member.remove': { did: 'removed', label: 'Person removed', onTarget: true },
  'member.reset': { did: 'asked to reset the second factor of', label: 'Reset asked for', onTarget: true },
  'member_reset.cancel': { did: 'cancelled the reset of', label: 'Reset cancelled', onTarget: true },
  'member_reset.finish': { did: 'finished the reset of', label: 'Reset finished', onTarget: true },
  'recovery_codes.make': { did: 'made new recovery codes', label: 'Recovery codes made', onTarget: false },
  'recovery_code.use': {
    did: 'used a recovery code to remove their second factor',
    label: 'Recovery code used',
    onTarget: false,
  },
  'session.end': { did: 'ended sessions of their own', label: 'Sessions ended', onTarget: false },
  'audit.read': { did: 'read the audit log', label: 'Audit log read', onTarget: false },
  [OUTCOME_ACTION]: { did: 'ended an earlier act on', label: 'Act ended', onTarget: true },
  'row.not_openable': { did: 'This row could not be opened', label: 'Row not openable', onTarget: false },
}
/** What can be looked for: an ending belongs to its act, and what cannot be opened has no action to be found by. */
export const ACTIONS = [
  'console.query',
  'credential.open',
  'credential.store',
  'credential.rotate',
  'credential.delete',
  'provider.purge_cache',
  'dead_letter.replay',
  'provider.verify_domain',
  'provider.read_suppressions',
  'provider.remove_suppression',
  'webhook.judge',
  'webhook.open',
  'webhook.reconcile',
  'credential.reseal',
  'credential.reveal',
  'credential.resync',
  'operator_key.enrol',
  'operator_key.remove',
  'tenant_dek.rotate',
  'tenant_dek.destroy',
  'member.invite',
  'invitation.withdraw',
  'member.join',
  'member.role',
  'member.remove',
  'member.reset',
  'member_reset.cancel',
  'member_reset.finish',
  'recovery_codes.make',
  'recovery_code.use',
  'session.end',
  'step_up.mint',
  'step_up.refused',
  'audit.read',
  'tenant.create',
  'tenant.tier',
  'tenant.freeze',
  'tenant.unfreeze',
] as const

export function actionLabel(action: string): string {
  return PHRASES[action]?.label ?? action
}

/** What was done, without who: "opened credential ····abcd". */
export function deedText({ action, target }: Pick<Row, 'action' | 'target'>, names: Names): string {
  const phrase = PHRASES[action]
  if (phrase === undefined) return `${action} on ${targetText(target, names)}`
  return phrase.onTarget ? `${phrase.did} ${targetText(target, names)}` : phrase.did
}

type OutcomeWords = { readonly badge: string; readonly tone: 'good' | 'bad' | 'unsure'; readonly more: string | null }

/** Null for what has no ending. */
export function outcomeWords(outcome: Outcome): OutcomeWords | null {
  switch (outcome.kind) {
    case 'none':
      return null
    case 'succeeded':
      return { badge: 'succeeded', tone: 'good', more: null }
    case 'failed':
      return { badge: 'failed', tone: 'bad', more: outcome.code.replaceAll('_', ' ') }
    case 'open':
      return { badge: 'under way', tone: 'unsure', more: null }
    case 'unknown':
      return { badge: 'unknown', tone: 'unsure', more: 'no ending was recorded' }
  }
}

const DETAIL_LABELS: Readonly<Record<string, string>> = {
  statement: 'Statement',
  statement_sha256: 'SHA-256 of the statement',
  statement_bytes: 'Its length in bytes',
  job: 'Job',
  provider: 'Provider',
  operator_key: 'Operator key',
  for: 'Permission for',
  after: 'Rows after',
  before: 'Rows before',
  limit: 'At most',
  actor: 'Only by',
  action: 'Only action',
  target: 'Only on',
  intent: 'Ends row id',
  succeeded: 'Succeeded',
  code: 'Code',
  from: 'Key version before',
  to: 'Key version after',
  version: 'Key version',
  versions: 'Key versions',
}
export function detailLabel(name: string): string {
  return DETAIL_LABELS[name] ?? name
}

function splitName(name: string): [kind: string, id?: string] {
  const colon = name.indexOf(':')
  return colon < 0 ? [name] : [name.slice(0, colon), name.slice(colon + 1)]
}
