import type { WithdrawAction } from 'domain/contracts/acts.ts'
import type { Call } from './handler.ts'
import { withOutcome } from './outcome.ts'
import { requireFresh } from './user.ts'
import type { Vault } from './vault-client.ts'

type Withdrawal = {
  readonly action: WithdrawAction
  readonly targetId: string
  readonly call: Call<{ readonly tenant_id: string }>
  /** The code of the outcome row when it succeeds. */
  readonly success: string
}

/** What gives no power, between its two rows: it takes no token. A second try finds nothing left to do, or is known by its key. */
export async function withdrawal<Value>(
  vault: Vault<'settle' | 'withdraw-begin'>,
  { action, targetId, call, success }: Withdrawal,
  act: () => Promise<Value>,
): Promise<Value> {
  const { input, user, now, requestId } = call
  requireFresh(user, now)
  const { tenant_id } = input
  const proofs = { userJwt: user.jwt, requestId }
  const { intent_row } = await vault('withdraw-begin', { tenant_id, action, target_id: targetId }, proofs)
  return withOutcome(vault, { tenant_id, intent_row }, proofs, success, act)
}
