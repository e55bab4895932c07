import { CredentialRotate } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import type { Call } from '../_shared/handler.ts'
import { type NewSecretParts, takeNewSecret } from '../_shared/new-secret.ts'
import type { Store } from '../_shared/store.ts'

export type RotateParts = NewSecretParts & { readonly store: Store<'idempotent_response' | 'rotate_credential'> }
type Input = z.infer<typeof CredentialRotate.request>
type Output = z.infer<typeof CredentialRotate.response>

const ROTATE = { functionName: 'credential-rotate', action: 'credential.rotate', done: 'rotated' } as const

/** The provider has accepted the new secret before the old one goes; then one transaction puts the one in the other's place. */
export async function rotate(parts: RotateParts, call: Call<Input>): Promise<Output> {
  const rotated = await takeNewSecret(parts, call, ROTATE, (request) => parts.store('rotate_credential', request))
  return CredentialRotate.response.parse(rotated)
}
