import { newRecoveryCodes, recoveryCodeHash } from 'domain/accounts/recovery-code.ts'
import type { MemberReset } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import type { AuthAdmin } from '../_shared/auth-admin.ts'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import type { Store } from '../_shared/store.ts'
import { requireAal2, requireFresh } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'
import { cancelOwnReset, finishReset, pendingReset, requestReset, withdrawReset } from './delayed.ts'
import { withOutcomes } from './outcomes.ts'

export type ResetParts = {
  readonly vault: Vault<'act-begin' | 'recovery-begin' | 'settle' | 'withdraw-begin'>
  readonly store: Store<
    | 'cancel_member_reset'
    | 'close_member_reset'
    | 'own_member_reset'
    | 'recovery_codes_left'
    | 'replace_recovery_codes'
    | 'request_member_reset'
    | 'start_reset_finish'
    | 'try_recovery_code'
    | 'use_recovery_code'
  >
  readonly authAdmin: AuthAdmin
}
type Input = z.infer<typeof MemberReset.request>
type Made = z.infer<typeof MemberReset.made>
type Left = z.infer<typeof MemberReset.left>

export function reset(parts: ResetParts, call: Call<Input>): Promise<unknown> {
  const { input } = call
  switch (input.act) {
    case 'codes':
      return makeCodes(parts, call)
    case 'redeem':
      return redeem(parts, call, input.code)
    case 'left':
      return codesLeft(parts, call)
    case 'request':
      return requestReset(parts, { ...call, input })
    case 'withdraw':
      return withdrawReset(parts, { ...call, input })
    case 'pending':
      return pendingReset(parts, { ...call, input })
    case 'cancel':
      return cancelOwnReset(parts, { ...call, input })
    case 'finish':
      return finishReset(parts, { ...call, input })
  }
}

async function codesLeft({ store }: ResetParts, { user }: Call<Input>): Promise<Left> {
  requireAal2(user)
  return store('recovery_codes_left', { user_id: user.id })
}

/** No idempotency key: an answer that was lost cannot be given again, since nobody keeps the codes. Ten more are made. */
async function makeCodes({ vault, store }: ResetParts, { user, now, requestId }: Call<Input>): Promise<Made> {
  requireFresh(user, now)
  const proofs = { userJwt: user.jwt, requestId }
  const { intents } = await vault('recovery-begin', { act: 'codes' }, proofs)
  return withOutcomes(vault, intents, proofs, 'codes_made', async () => {
    const codes = newRecoveryCodes()
    const code_hashes = codes.map((code) => recoveryCodeHash(user.id, code))
    await store('replace_recovery_codes', { user_id: user.id, code_hashes, at: new Date(now).toISOString() })
    return { codes }
  })
}

/**
 * At AAL1, and AAL1 is what it leaves. The code is spent before the factor goes: a try that fails at Auth costs a code, and never
 * buys two removals.
 */
async function redeem(
  { vault, store, authAdmin }: ResetParts,
  { user, now, requestId }: Call<Input>,
  code: string,
): Promise<Left> {
  const code_hash = recoveryCodeHash(user.id, code)
  const presented = { user_id: user.id, code_hash, at: new Date(now).toISOString() }
  const { state } = await store('try_recovery_code', presented)
  if (state !== 'stands') throw new Refused(state === 'too_many' ? 'too_many_attempts' : 'recovery_code_invalid')
  const proofs = { userJwt: user.jwt, requestId }
  const { intents } = await vault('recovery-begin', { act: 'redeem', code_hash }, proofs)
  return withOutcomes(vault, intents, proofs, 'factor_removed', async () => {
    const left = await store('use_recovery_code', presented)
    await authAdmin.removeFactors(user)
    await authAdmin.endOtherSessions(user)
    return left
  })
}
