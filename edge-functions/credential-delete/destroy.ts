import { STEP_UP_HEADER } from 'domain/contracts/edge-door.ts'
import { CredentialDelete } from 'domain/contracts/functions.ts'
import { requestDigest } from 'domain/contracts/request-digest.ts'
import type { z } from 'zod'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import { idempotencyOf } from '../_shared/idempotency.ts'
import { withOutcome } from '../_shared/outcome.ts'
import type { Store } from '../_shared/store.ts'
import { inSession, requireFresh } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'

export type DestroyParts = {
  readonly vault: Vault<'act-begin' | 'settle'>
  readonly store: Store<'delete_credential' | 'idempotent_response'>
}
type Input = z.infer<typeof CredentialDelete.request>
type Output = z.infer<typeof CredentialDelete.response>

const ACTION = 'credential.delete'

/** Announced, then done in one transaction: wrap and ciphertext are destroyed and the credential's jobs end. */
export async function destroy({ vault, store }: DestroyParts, call: Call<Input>): Promise<Output> {
  const { input, user, headers, requestId, now } = call
  const { tenant_id, credential_id } = input
  const idempotency = idempotencyOf(headers, 'credential-delete', await requestDigest(ACTION, input))
  const earlier = await store('idempotent_response', { ...inSession(user, now), ...idempotency })
  if (earlier !== null) return CredentialDelete.response.parse(earlier.response)
  requireFresh(user, now)
  const stepUpToken = headers.get(STEP_UP_HEADER)
  if (stepUpToken === null) throw new Refused('step_up_required')
  const proofs = { userJwt: user.jwt, stepUpToken, requestId }
  const { request_digest } = idempotency
  const act = { tenant_id, action: ACTION, target_id: credential_id, request_digest } as const
  const { intent_row } = await vault('act-begin', act, proofs)
  return withOutcome(vault, { tenant_id, intent_row }, proofs, 'deleted', () =>
    store('delete_credential', { ...input, user_id: user.id, idempotency, at: new Date(now).toISOString() }),
  )
}
