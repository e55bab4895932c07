import { invitationToken, invitationTokenHash } from 'domain/accounts/invitation-token.ts'
import type { MemberInvite } from 'domain/contracts/functions.ts'
import type { Secret } from 'domain/secret.ts'
import type { z } from 'zod'
import { announcedAct } from '../_shared/announced-act.ts'
import type { Call } from '../_shared/handler.ts'
import type { Store } from '../_shared/store.ts'
import type { Vault } from '../_shared/vault-client.ts'

export type InviteParts = {
  readonly vault: Vault<'act-begin' | 'settle'>
  readonly store: Store<'invite_member'>
  readonly key: Secret
}
type Input = z.infer<typeof MemberInvite.request>
type Output = z.infer<typeof MemberInvite.response>

const LIFETIME_MS = 7 * 24 * 3_600_000

/** The token is made here for its hash and goes no further: the mail's is made again by who sends it. */
export async function invite({ vault, store, key }: InviteParts, call: Call<Input>): Promise<Output> {
  const { input, user, now } = call
  const { tenant_id, invitation_id, email, role } = input
  const act = {
    functionName: 'member-invite',
    action: 'member.invite',
    targetId: invitation_id,
    call,
    success: `invited_${role}`,
  } as const
  return announcedAct(vault, act, (idempotency) =>
    store('invite_member', {
      tenant_id,
      user_id: user.id,
      invitation: {
        id: invitation_id,
        email,
        role,
        token_hash: invitationTokenHash(invitationToken(key, invitation_id)),
        expires_at: new Date(now + LIFETIME_MS).toISOString(),
      },
      idempotency,
      at: new Date(now).toISOString(),
    }),
  )
}
