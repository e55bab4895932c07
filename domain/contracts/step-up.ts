import { z } from 'zod'

/** The acts that a step-up token can stand for, each by the name that its row in the audit log has. */
export const StepUpAction = z.enum([
  'credential.store',
  'credential.rotate',
  'credential.delete',
  'credential.reveal',
  'member.invite',
  'member.role',
  'member.remove',
  'member.reset',
  'operator_key.enrol',
  'provider.purge_cache',
  'dead_letter.replay',
  'provider.verify_domain',
  'provider.read_suppressions',
  'provider.remove_suppression',
])
export type StepUpAction = z.infer<typeof StepUpAction>

/** Those that no key is released for: the vault writes their intent row and that is all it does. */
export const KeylessAction = StepUpAction.extract([
  'credential.delete',
  'member.invite',
  'member.role',
  'member.remove',
  'member.reset',
  'operator_key.enrol',
  'dead_letter.replay',
])
export type KeylessAction = z.infer<typeof KeylessAction>

/** Those at the provider itself, with the key of one record. */
export const ProviderAct = StepUpAction.extract([
  'provider.purge_cache',
  'provider.verify_domain',
  'provider.read_suppressions',
  'provider.remove_suppression',
])
export type ProviderAct = z.infer<typeof ProviderAct>

/** What the id of an act's target is the id of. */
const TARGET_KIND: Record<StepUpAction, string> = {
  'credential.store': 'credential',
  'credential.rotate': 'credential',
  'credential.delete': 'credential',
  'credential.reveal': 'credential',
  'member.invite': 'invitation',
  'member.role': 'member',
  'member.remove': 'member',
  'member.reset': 'member',
  'operator_key.enrol': 'operator_key',
  'provider.purge_cache': 'credential',
  'dead_letter.replay': 'job',
  'provider.verify_domain': 'credential',
  'provider.read_suppressions': 'credential',
  'provider.remove_suppression': 'credential',
}

/** An act's target as the audit log names it. */
export function targetOf(action: StepUpAction, targetId: string): string {
  return `${TARGET_KIND[action]}:${targetId}`
}
