import { newRecoveryCodes, recoveryCodeHash } from 'domain/accounts/recovery-code.ts'
import type { MemberReset } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import type { AuthAdmin } from '../_shared/auth-admin.ts'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import { type Intent, withOutcome } from '../_shared/outcome.ts'
import type { Store } from '../_shared/store.ts'
import { inSession, requireAal2, requireFresh } from '../_shared/user.ts'
import type { Proofs, Vault } from '../_shared/vault-client.ts'

export type ResetParts = {
  readonly vault: Vault<'recovery-begin' | 'settle'>
  readonly store: Store<'recovery_codes_left' | 'replace_recovery_codes' | 'try_recovery_code' | 'use_recovery_code'>
  readonly authAdmin: AuthAdmin
}
type Input = z.infer<typeof MemberReset.request>
type Made = z.infer<typeof MemberReset.made>
type Left = z.infer<typeof MemberReset.left>

export function reset(parts: ResetParts, call: Call<Input>): Promise<Made | Left> {
  const { input } = call
  if (input.act === 'codes') return makeCodes(parts, call)
  if (input.act === 'redeem') return redeem(parts, call, input.code)
  requireAal2(call.user)
  return parts.store('recovery_codes_left', inSession(call.user, call.now))
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
  const presented = { ...inSession(user, now), code_hash }
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

/** The same act's outcome in each agency's log. */
function withOutcomes<Value>(
  vault: Vault<'settle'>,
  intents: readonly Intent[],
  proofs: Proofs,
  success: string,
  act: () => Promise<Value>,
): Promise<Value> {
  const announced = intents.reduce((inner, intent) => () => withOutcome(vault, intent, proofs, success, inner), act)
  return announced()
}
