import type { DeadLetterReplay } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import { announcedAct } from '../_shared/announced-act.ts'
import type { Call } from '../_shared/handler.ts'
import type { Store } from '../_shared/store.ts'
import type { Vault } from '../_shared/vault-client.ts'

export type ReplayParts = {
  readonly vault: Vault<'act-begin' | 'settle'>
  readonly store: Store<'replay_dead_letter'>
}
type Input = z.infer<typeof DeadLetterReplay.request>
type Output = z.infer<typeof DeadLetterReplay.response>

/** A job in the dead one's place, made in one transaction; the scheduler sends it as it sends any other. */
export function replay({ vault, store }: ReplayParts, call: Call<Input>): Promise<Output> {
  const { input, user, now } = call
  const { tenant_id, job_id } = input
  const act = {
    functionName: 'dead-letter-replay',
    action: 'dead_letter.replay',
    targetId: job_id,
    call,
    success: 'replayed',
  } as const
  return announcedAct(vault, act, (idempotency) =>
    store('replay_dead_letter', {
      tenant_id,
      job_id,
      user_id: user.id,
      idempotency,
      at: new Date(now).toISOString(),
    }),
  )
}
