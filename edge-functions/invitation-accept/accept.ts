import { invitationTokenHash } from 'domain/accounts/invitation-token.ts'
import type { InvitationAccept } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import type { Call } from '../_shared/handler.ts'
import { withOutcome } from '../_shared/outcome.ts'
import type { Store } from '../_shared/store.ts'
import { inSession, requireAal2 } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'

export type AcceptParts = {
  readonly vault: Vault<'member-join' | 'settle'>
  readonly store: Store<'find_invitation' | 'accept_invitation'>
}
type Input = z.infer<typeof InvitationAccept.request>
type Output = z.infer<typeof InvitationAccept.response>

/** Address, expiry and use are judged twice by SQL: before the row that announces it, and with the membership. */
export async function accept({ vault, store }: AcceptParts, call: Call<Input>): Promise<Output> {
  const { input, user, now, requestId } = call
  requireAal2(user)
  const token_hash = invitationTokenHash(input.token)
  const presented = { token_hash, ...inSession(user, now) }
  await store('find_invitation', presented)
  const proofs = { userJwt: user.jwt, requestId }
  const begun = await vault('member-join', { token_hash }, proofs)
  return withOutcome(vault, begun, proofs, 'joined', () => store('accept_invitation', presented))
}
