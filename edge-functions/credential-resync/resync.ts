import { CredentialResync } from 'domain/contracts/functions.ts'
import { requestDigest } from 'domain/contracts/request-digest.ts'
import type { z } from 'zod'
import type { Call } from '../_shared/handler.ts'
import { idempotencyOf } from '../_shared/idempotency.ts'
import type { Store } from '../_shared/store.ts'
import { inSession } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'
import { withdrawal } from '../_shared/withdrawal.ts'

export type ResyncParts = {
  readonly vault: Vault<'settle' | 'withdraw-begin'>
  readonly store: Store<'idempotent_response' | 'resync_credential'>
}
type Input = z.infer<typeof CredentialResync.request>
type Output = z.infer<typeof CredentialResync.response>

const ACTION = 'credential.resync'

/** Plans what the connector then reads with the key it has: nothing is opened here. */
export async function resync({ vault, store }: ResyncParts, call: Call<Input>): Promise<Output> {
  const { input, user, headers, now } = call
  const idempotency = idempotencyOf(headers, 'credential-resync', await requestDigest(ACTION, input))
  const earlier = await store('idempotent_response', { ...inSession(user, now), ...idempotency })
  if (earlier !== null) return CredentialResync.response.parse(earlier.response)
  const act = { action: ACTION, targetId: input.credential_id, call, success: 'planned' } as const
  return withdrawal(vault, act, () =>
    store('resync_credential', { ...input, user_id: user.id, idempotency, at: new Date(now).toISOString() }),
  )
}
