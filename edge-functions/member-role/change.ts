import type { MemberRole } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import { announcedAct } from '../_shared/announced-act.ts'
import type { Call } from '../_shared/handler.ts'
import type { Store } from '../_shared/store.ts'
import type { Vault } from '../_shared/vault-client.ts'

export type ChangeParts = {
  readonly vault: Vault<'act-begin' | 'settle'>
  readonly store: Store<'change_member'>
}
type Input = z.infer<typeof MemberRole.request>
type Output = z.infer<typeof MemberRole.response>

/** A removed person's sessions stay signed in and see nothing: each door asks for the membership at each request. */
export async function changeMember({ vault, store }: ChangeParts, call: Call<Input>): Promise<Output> {
  const { input, user } = call
  const role = input.act === 'member.role' ? input.role : null
  const act = {
    functionName: 'member-role',
    action: input.act,
    targetId: input.member_id,
    call,
    success: input.act === 'member.remove' ? 'removed' : `now_${input.role}`,
  } as const
  const { tenant_id, member_id } = input
  return announcedAct(vault, act, (idempotency) =>
    store('change_member', { tenant_id, user_id: user.id, member_id, role, idempotency }),
  )
}
