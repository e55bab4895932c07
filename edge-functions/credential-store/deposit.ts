import { CredentialStore } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import type { Call } from '../_shared/handler.ts'
import { type NewSecretParts, takeNewSecret } from '../_shared/new-secret.ts'
import type { Store } from '../_shared/store.ts'

export type DepositParts = NewSecretParts & { readonly store: Store<'idempotent_response' | 'store_credential'> }
type Input = z.infer<typeof CredentialStore.request>
type Output = z.infer<typeof CredentialStore.response>

const STORE = { functionName: 'credential-store', action: 'credential.store', done: 'stored' } as const

export async function deposit(parts: DepositParts, call: Call<Input>): Promise<Output> {
  const { label } = call.input
  const stored = await takeNewSecret(parts, call, STORE, ({ credential, ...request }) =>
    parts.store('store_credential', { ...request, credential: { ...credential, label } }),
  )
  return CredentialStore.response.parse(stored)
}
