import type { InvitationWithdraw } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import type { Call } from '../_shared/handler.ts'
import type { Store } from '../_shared/store.ts'
import type { Vault } from '../_shared/vault-client.ts'
import { withdrawal } from '../_shared/withdrawal.ts'

export type WithdrawParts = {
  readonly vault: Vault<'settle' | 'withdraw-begin'>
  readonly store: Store<'withdraw_invitation'>
}
type Input = z.infer<typeof InvitationWithdraw.request>
type Output = z.infer<typeof InvitationWithdraw.response>

/** From then on the link in the mail is worth nothing, also when the mail was not sent yet. */
export function withdraw({ vault, store }: WithdrawParts, call: Call<Input>): Promise<Output> {
  const { input, user } = call
  const act = { action: 'invitation.withdraw', targetId: input.invitation_id, call, success: 'withdrawn' } as const
  return withdrawal(vault, act, () => store('withdraw_invitation', { ...input, user_id: user.id }))
}
