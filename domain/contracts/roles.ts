import { z } from 'zod'
import type { WithdrawAction } from './acts.ts'
import type { StepUpAction } from './step-up.ts'

export const Role = z.enum(['owner', 'operator', 'viewer'])
export type Role = z.infer<typeof Role>

/** Who may do what, in one place: the vault, the functions and the dashboard read it here, and SQL is tested against it. */
export const ROLES_OF_ACT = {
  'credential.store': ['owner', 'operator'],
  'credential.rotate': ['owner', 'operator'],
  'credential.delete': ['owner'],
  'credential.reveal': ['owner'],
  'credential.resync': ['owner', 'operator'],
  'member.invite': ['owner'],
  'invitation.withdraw': ['owner'],
  'member.role': ['owner'],
  'member.remove': ['owner'],
  'member.reset': ['owner'],
  'member_reset.cancel': ['owner'],
  'operator_key.enrol': ['owner'],
  'provider.purge_cache': ['owner', 'operator'],
  'provider.verify_domain': ['owner', 'operator'],
  'provider.read_suppressions': ['owner', 'operator'],
  'provider.remove_suppression': ['owner', 'operator'],
  'console.query': ['owner', 'operator'],
  'dead_letter.replay': ['owner', 'operator'],
} as const satisfies Record<StepUpAction | WithdrawAction | 'console.query', readonly Role[]>
export type JudgedAct = keyof typeof ROLES_OF_ACT
export const JUDGED_ACTS = Object.keys(ROLES_OF_ACT) as readonly JudgedAct[]

export function roleMay(role: string, act: JudgedAct): boolean {
  const roles: readonly string[] = ROLES_OF_ACT[act]
  return roles.includes(role)
}
