import type { JudgedAct, Role } from '../../domain/contracts/roles.ts'

export const ROLE_NAMES: Readonly<Record<Role, string>> = { owner: 'Owner', operator: 'Operator', viewer: 'Viewer' }

/** What each act is, to a person. */
export const ACT_NAMES: Readonly<Record<JudgedAct, string>> = {
  'credential.store': 'Store a credential',
  'credential.rotate': 'Replace a credential’s secret',
  'credential.delete': 'Delete a credential',
  'credential.reveal': 'Reveal a credential’s secret',
  'member.invite': 'Invite a person',
  'credential.resync': 'Have a window of a key read again',
  'invitation.withdraw': 'Withdraw an invitation',
  'member.role': 'Change a role',
  'member.remove': 'Remove a person',
  'member.reset': 'Reset a person’s second factor',
  'member_reset.cancel': 'Cancel a reset',
  'operator_key.enrol': 'Enrol a key that reveals',
  'provider.purge_cache': 'Purge a site’s cache',
  'provider.verify_domain': 'Have a mail domain verified',
  'provider.read_suppressions': 'Read the list of suppressed addresses',
  'provider.remove_suppression': 'Remove an address from it',
  'console.query': 'Ask the SQL console',
  'dead_letter.replay': 'Replay a run that was given up',
}
