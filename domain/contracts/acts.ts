import { z } from 'zod'
import { StepUpAction } from './step-up.ts'

/** An act that is announced before it is done leaves two rows: its intent, and an outcome row that names it (L1). */
export const OUTCOME_ACTION = 'act.outcome'

const RESET_CANCEL = 'member_reset.cancel'

/** What a person without their second factor does about it: what is announced, and ended, at AAL1. */
export const RECOVERY_ACTIONS = {
  redeem: 'recovery_code.use',
  cancel: RESET_CANCEL,
  finish: 'member_reset.finish',
} as const

/** Takes back what was given, or asks again for figures that are read anyway. It gives nothing: no token, and the vault asks for freshness alone. */
export const WithdrawAction = z.enum(['invitation.withdraw', RESET_CANCEL, 'credential.resync'])
export type WithdrawAction = z.infer<typeof WithdrawAction>

const INTENT_ACTIONS: ReadonlySet<string> = new Set([
  ...StepUpAction.options,
  'tenant.create',
  'member.join',
  'recovery_codes.make',
  ...Object.values(RECOVERY_ACTIONS),
  ...WithdrawAction.options,
  'console.query',
  'credential.open',
  'credential.reseal',
  'webhook.judge',
  'webhook.open',
  'webhook.reconcile',
  'operator_key.remove',
  'tenant_dek.rotate',
  'tenant_dek.destroy',
])

/** Whether rows of this action announce something that has an ending. */
export function hasOutcome(action: string): boolean {
  return INTENT_ACTIONS.has(action)
}

/** As long as a poll may take with all its tries, and then some. Without an outcome row nobody will say any more how it ended. */
export const UNKNOWN_AFTER_MS = 10 * 60_000
