import type { MemberReset } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import { announcedAct } from '../_shared/announced-act.ts'
import type { AuthAdmin } from '../_shared/auth-admin.ts'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import type { Store } from '../_shared/store.ts'
import type { Vault } from '../_shared/vault-client.ts'
import { withdrawal } from '../_shared/withdrawal.ts'
import { withOutcomes } from './outcomes.ts'

type Input = z.infer<typeof MemberReset.request>
type Of<Act extends Input['act']> = Call<Extract<Input, { act: Act }>>
type Requested = z.infer<typeof MemberReset.requested>
type Pending = z.infer<typeof MemberReset.pending>
type Cancelled = z.infer<typeof MemberReset.cancelled>
type Finished = z.infer<typeof MemberReset.finished>

/** Begins the 24 hours: nothing is removed yet. The mails are in the same transaction. */
export function requestReset(
  parts: { readonly vault: Vault<'act-begin' | 'settle'>; readonly store: Store<'request_member_reset'> },
  call: Of<'request'>,
): Promise<Requested> {
  const { input, user, now } = call
  const { tenant_id, member_id } = input
  const act = {
    functionName: 'member-reset',
    action: 'member.reset',
    targetId: member_id,
    call,
    success: 'reset_requested',
  } as const
  return announcedAct(parts.vault, act, (idempotency) =>
    parts.store('request_member_reset', {
      tenant_id,
      user_id: user.id,
      member_id,
      idempotency,
      at: new Date(now).toISOString(),
    }),
  )
}

export function withdrawReset(
  parts: { readonly vault: Vault<'settle' | 'withdraw-begin'>; readonly store: Store<'cancel_member_reset'> },
  call: Of<'withdraw'>,
): Promise<Cancelled> {
  const { tenant_id, member_id } = call.input
  const act = { action: 'member_reset.cancel', targetId: member_id, call, success: 'reset_cancelled' } as const
  return withdrawal(parts.vault, act, () =>
    parts.store('cancel_member_reset', { tenant_id, user_id: call.user.id, member_id }),
  )
}

export function pendingReset(
  parts: { readonly store: Store<'own_member_reset'> },
  { user, now }: Of<'pending'>,
): Promise<Pending> {
  return parts.store('own_member_reset', { user_id: user.id, at: new Date(now).toISOString() })
}

/** By the person, in any session: whoever has no factor at hand must be able to say that they did not lose it. */
export async function cancelOwnReset(
  parts: { readonly vault: Vault<'recovery-begin' | 'settle'>; readonly store: Store<'close_member_reset'> },
  { user, requestId }: Of<'cancel'>,
): Promise<Cancelled> {
  const proofs = { userJwt: user.jwt, requestId }
  const { intents } = await parts.vault('recovery-begin', { act: 'cancel' }, proofs)
  return withOutcomes(parts.vault, intents, proofs, 'reset_cancelled', async () => {
    const { closed } = await parts.store('close_member_reset', { user_id: user.id })
    if (!closed) throw new Refused('member_reset_unknown')
    return { cancelled: true }
  })
}

/**
 * As a recovery code does it, and AAL1 is what it leaves. The request stays until Auth has done its part, so that a failure costs no
 * further 24 hours; a factor that is enrolled afterwards ends it for good, if closing it fails here.
 */
export async function finishReset(
  parts: {
    readonly vault: Vault<'recovery-begin' | 'settle'>
    readonly store: Store<'close_member_reset' | 'start_reset_finish'>
    readonly authAdmin: AuthAdmin
  },
  { user, now, requestId }: Of<'finish'>,
): Promise<Finished> {
  const proofs = { userJwt: user.jwt, requestId }
  const { intents } = await parts.vault('recovery-begin', { act: 'finish' }, proofs)
  return withOutcomes(parts.vault, intents, proofs, 'factor_removed', async () => {
    const asked = { user_id: user.id, at: new Date(now).toISOString() }
    const { state } = await parts.store('start_reset_finish', asked)
    if (state !== 'started') throw new Refused(`member_reset_${state}`)
    await parts.authAdmin.removeFactors(user)
    await parts.authAdmin.endOtherSessions(user)
    await parts.store('close_member_reset', { user_id: user.id })
    return { finished: true }
  })
}
