import { STEP_UP_HEADER } from 'domain/contracts/edge-door.ts'
import { type DigestedRequest, requestDigest } from 'domain/contracts/request-digest.ts'
import type { KeylessAction } from 'domain/contracts/step-up.ts'
import { Refused } from './errors.ts'
import type { Call } from './handler.ts'
import { type Idempotency, idempotencyOf } from './idempotency.ts'
import { withOutcome } from './outcome.ts'
import { requireFresh } from './user.ts'
import type { Vault } from './vault-client.ts'

export type Announced<Input extends { readonly tenant_id: string } & DigestedRequest> = {
  readonly functionName: string
  readonly action: KeylessAction
  readonly targetId: string
  readonly call: Call<Input>
  /** The code of the outcome row when the act succeeds. */
  readonly success: string
}

/** An act that needs no key, between its intent row and its outcome row. The act itself is one transaction, and knows a retry. */
export async function announcedAct<Input extends { readonly tenant_id: string } & DigestedRequest, Value>(
  vault: Vault<'act-begin' | 'settle'>,
  { functionName, action, targetId, call, success }: Announced<Input>,
  act: (idempotency: Idempotency) => Promise<Value>,
): Promise<Value> {
  const { input, user, headers, now, requestId } = call
  requireFresh(user, now)
  const { tenant_id } = input
  const request_digest = await requestDigest(action, input)
  const idempotency = idempotencyOf(headers, functionName, request_digest)
  const stepUpToken = headers.get(STEP_UP_HEADER)
  if (stepUpToken === null) throw new Refused('step_up_required')
  const proofs = { userJwt: user.jwt, stepUpToken, requestId }
  const { intent_row } = await vault('act-begin', { tenant_id, action, target_id: targetId, request_digest }, proofs)
  return withOutcome(vault, { tenant_id, intent_row }, proofs, success, () => act(idempotency))
}
