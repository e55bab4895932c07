import type { CredentialRotate } from 'domain/contracts/functions.ts'
import { type ApiUrls, apiUrlOf, PROVIDERS } from 'domain/providers/registry.ts'
import type { z } from 'zod'
import { probeProvider } from './ask-provider.ts'
import { Refused } from './errors.ts'
import type { Call } from './handler.ts'
import { type Kind, type SealedRequest, type SealingParts, sealNewSecret } from './sealed-secret.ts'
import { requireAal2 } from './user.ts'

/** What storing a key and putting one in another's place have in common. */
type Incoming = z.infer<typeof CredentialRotate.request>
export type NewSecretParts = SealingParts & { readonly apiUrls: ApiUrls }

/** Flow 1. Judged by shape before anything is asked or stored; the provider is asked before a key is released. */
export async function takeNewSecret<Input extends Incoming>(
  parts: NewSecretParts,
  call: Call<Input>,
  kind: Kind,
  put: (request: SealedRequest) => Promise<unknown>,
): Promise<unknown> {
  const { provider } = call.input
  requireAal2(call.user)
  const shape = PROVIDERS[provider].grading.judgeShape(call.input.secret)
  if (!shape.ok) throw new Refused(shape.code)
  const probe = (text: string) => probeProvider(text, shape.value, apiUrlOf(parts.apiUrls, provider))
  return sealNewSecret(parts, call, kind, (secret) => secret.use(probe), put)
}
