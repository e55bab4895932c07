import { StepUpAction } from './step-up.ts'

/** An act that is announced before it is done leaves two rows: its intent, and an outcome row that names it (L1). */
export const OUTCOME_ACTION = 'act.outcome'

/** The one act that is announced, and ended, at AAL1. */
export const RECOVERY_ACTION = 'recovery_code.use'

const INTENT_ACTIONS: ReadonlySet<string> = new Set([
  ...StepUpAction.options,
  'tenant.create',
  'member.join',
  'recovery_codes.make',
  RECOVERY_ACTION,
  'console.query',
  'credential.open',
  'credential.reseal',
  'webhook.judge',
  'webhook.open',
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
