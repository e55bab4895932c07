import { STEP_UP_HEADER } from 'domain/contracts/edge-door.ts'
import { ProviderAction } from 'domain/contracts/functions.ts'
import type { Provider } from 'domain/contracts/providers.ts'
import { requestDigest } from 'domain/contracts/request-digest.ts'
import type { ProviderAct } from 'domain/contracts/step-up.ts'
import type { Ask } from 'domain/providers/grade.ts'
import type { z } from 'zod'
import { createAsk } from '../_shared/ask-provider.ts'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import { idempotencyOf } from '../_shared/idempotency.ts'
import { withOutcome } from '../_shared/outcome.ts'
import { withSecret } from '../_shared/seal.ts'
import type { Store } from '../_shared/store.ts'
import { inSession, requireFresh } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'

export type ProviderParts = {
  readonly vault: Vault<'credential-open' | 'settle'>
  readonly store: Store<'idempotent_response' | 'keep_response' | 'sealed_credential'>
  readonly apiUrls: { readonly [Name in ActProvider]: string }
}
export type ActProvider = Extract<Provider, 'cloudflare' | 'resend'>
type Input = z.infer<typeof ProviderAction.request>

/** One thing that is done at a provider with the key of one record. */
export type Deed<Wanted extends Input = Input, Done = unknown> = {
  readonly act: ProviderAct
  readonly provider: ActProvider
  /** The outcome row's word for it. */
  readonly done: string
  /** What is wrong with it by our own knowledge of the site is refused before a key is released. */
  readonly judge?: (input: Wanted, siteName: string) => void
  readonly perform: (ask: Ask, input: Wanted, providerRef: string) => Promise<Done>
  /** What a repetition is answered with. Null for an answer that names persons: it is kept nowhere, and asked for anew. */
  readonly keep: ((done: Done, site: { readonly id: string; readonly name: string }) => unknown) | null
}

/** What a person confirmed is what is sent: it is made of the request alone, and the step-up token stands for that. */
export async function perform<Wanted extends Input, Done>(
  { vault, store, apiUrls }: ProviderParts,
  deed: Deed<Wanted, Done>,
  { input, user, headers, requestId, now }: Call<Wanted>,
): Promise<unknown> {
  const { tenant_id, credential_id, site_id } = input
  const { act, provider } = deed
  const idempotency = idempotencyOf(headers, 'provider-action', await requestDigest(act, input))
  const earlier = await store('idempotent_response', { ...inSession(user, now), ...idempotency })
  if (earlier !== null) return ProviderAction.response.parse(earlier.response)
  requireFresh(user, now)
  const stepUpToken = headers.get(STEP_UP_HEADER)
  if (stepUpToken === null) throw new Refused('step_up_required')
  const record = await store('sealed_credential', { act, tenant_id, user_id: user.id, credential_id, site_id })
  if (record.provider !== provider) throw new Refused('request_invalid', { fields: ['credential_id'] })
  deed.judge?.(input, record.name)
  const proofs = { userJwt: user.jwt, stepUpToken, requestId }
  const { request_digest } = idempotency
  const opened = await vault('credential-open', { tenant_id, credential_id, action: act, request_digest }, proofs)
  const { subkey, intent_row, dek_version } = opened
  const done = await withOutcome(vault, { tenant_id, intent_row }, proofs, deed.done, () =>
    withSecret(record.ciphertext, subkey, { tenant_id, credential_id, dek_version }, (secret) =>
      secret.use((key) => deed.perform(createAsk(key, apiUrls[provider]), input, record.provider_ref)),
    ),
  )
  if (deed.keep === null) return done
  const response = deed.keep(done, { id: site_id, name: record.name })
  await store('keep_response', { user_id: user.id, idempotency, response })
  return response
}

/** What came of a request that may have been carried out: only an answer that says so counts. */
export async function askFor<Schema extends z.ZodType>(
  ask: Ask,
  request: Parameters<Ask>[0],
  schema: Schema,
): Promise<z.output<Schema>> {
  const answer = await ask(request)
  if (!answer.ok) throw new Refused('provider_outcome_unknown')
  const { status, value } = answer.value
  const parsed = schema.safeParse(value)
  if (status === 200 && parsed.success) return parsed.data
  if (status === 401) throw new Refused('credential_rejected')
  if (status === 403) throw new Refused('provider_permission_missing')
  if (status === 429) throw new Refused('provider_rate_limited')
  throw new Refused(status >= 400 && status < 500 ? 'provider_refused' : 'provider_outcome_unknown')
}
