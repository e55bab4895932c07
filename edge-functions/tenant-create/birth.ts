import type { TenantCreate } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import type { Call } from '../_shared/handler.ts'
import { recordOutcome } from '../_shared/outcome.ts'
import type { Store } from '../_shared/store.ts'
import { requireAal2 } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'

export type BirthParts = {
  readonly vault: Vault<'tenant-prepare' | 'tenant-activate' | 'settle'>
  readonly store: Store<'begin_tenant' | 'activate_tenant'>
}
type Input = z.infer<typeof TenantCreate.request>
type Output = z.infer<typeof TenantCreate.response>

/**
 * Flow 0. Each step keeps what an earlier try stored under the same tenant id, so a caller whose request broke anywhere
 * sends it again and gets on: the audit key first, since row 1 is sealed under it; then the row, whose acknowledgement
 * carries the share that wraps the DEK; then active.
 */
export async function giveBirth(
  { vault, store }: BirthParts,
  { input, user, requestId }: Call<Input>,
): Promise<Output> {
  requireAal2(user)
  const { tenant_id, name } = input
  const proofs = { userJwt: user.jwt, requestId }
  const prepared = await vault('tenant-prepare', { tenant_id }, proofs)
  const audit_key = {
    version: prepared.audit_key_version,
    kek_version: prepared.kek_version,
    wrapped_key: prepared.wrapped_key,
  }
  await store('begin_tenant', { tenant_id, name, user_id: user.id, audit_key })

  const { intent_row, dek_version, ...wrap } = await vault('tenant-activate', { tenant_id }, proofs)
  const dek = { version: dek_version, ...wrap }
  const created = await store('activate_tenant', { tenant_id, user_id: user.id, dek })
  // A failure above leaves no outcome row: the birth is not over, and the first outcome that is told stays.
  await recordOutcome(vault, { tenant_id, intent_row, succeeded: true, code: 'created' }, proofs)
  return created
}
