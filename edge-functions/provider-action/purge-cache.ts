import { STEP_UP_HEADER } from 'domain/contracts/edge-door.ts'
import { ProviderAction } from 'domain/contracts/functions.ts'
import { requestDigest } from 'domain/contracts/request-digest.ts'
import { PurgeAnswer } from 'domain/providers/cloudflare/schemas.ts'
import type { z } from 'zod'
import { createAsk } from '../_shared/ask-provider.ts'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import { idempotencyOf } from '../_shared/idempotency.ts'
import { withOutcome } from '../_shared/outcome.ts'
import { withSecret } from '../_shared/seal.ts'
import type { Store } from '../_shared/store.ts'
import { requireFresh } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'

export type PurgeParts = {
  readonly vault: Vault<'credential-open' | 'settle'>
  readonly store: Store<'idempotent_response' | 'keep_response' | 'sealed_credential'>
  /** Cloudflare's. */
  readonly apiUrl: string
}
type Input = z.infer<typeof ProviderAction.request>
type Output = z.infer<typeof ProviderAction.response>

const ACTION = 'provider.purge_cache'

/** What a person confirmed is what is sent, byte for byte: `purge` is the body, and the step-up token stands for it. */
export async function purgeCache(parts: PurgeParts, call: Call<Input>): Promise<Output> {
  const { vault, store } = parts
  const { input, user, headers, requestId, now } = call
  const { tenant_id, credential_id, site_id } = input
  const idempotency = idempotencyOf(headers, 'provider-action', await requestDigest(ACTION, input))
  const earlier = await store('idempotent_response', { user_id: user.id, ...idempotency })
  if (earlier !== null) return ProviderAction.response.parse(earlier.response)
  requireFresh(user, now)
  const stepUpToken = headers.get(STEP_UP_HEADER)
  if (stepUpToken === null) throw new Refused('step_up_required')
  const record = await store('sealed_credential', { tenant_id, user_id: user.id, credential_id, site_id })
  if (record.provider !== 'cloudflare') throw new Refused('request_invalid', { fields: ['credential_id'] })
  requireOfSite(input, record.name)
  const proofs = { userJwt: user.jwt, stepUpToken, requestId }
  const { request_digest } = idempotency
  const opened = await vault('credential-open', { tenant_id, credential_id, action: ACTION, request_digest }, proofs)
  const { subkey, intent_row, dek_version } = opened
  const done = await withOutcome(vault, { tenant_id, intent_row }, proofs, 'purged', () =>
    withSecret(record.ciphertext, subkey, { tenant_id, credential_id, dek_version }, (secret) =>
      secret.use((token) => purge(parts.apiUrl, record.provider_ref, token, input.purge)),
    ),
  )
  const response = { site: { id: site_id, name: record.name }, provider_id: done.result.id }
  await store('keep_response', { user_id: user.id, idempotency, response })
  return response
}

/** An address of another host is refused here, before a key is released for it. */
function requireOfSite({ purge: wanted }: Input, name: string): void {
  if (!('files' in wanted)) return
  const isOurs = (host: string) => host === name || host.endsWith(`.${name}`)
  if (!wanted.files.every((file) => isOurs(new URL(file).hostname)))
    throw new Refused('request_invalid', { fields: ['purge.files'] })
}

async function purge(apiUrl: string, zone: string, token: string, body: Input['purge']) {
  const path = `/zones/${zone}/purge_cache`
  const answer = await createAsk(token, apiUrl)({ method: 'POST', path, body: JSON.stringify(body) })
  if (!answer.ok) throw new Refused('provider_outcome_unknown')
  const { status, value } = answer.value
  const parsed = PurgeAnswer.safeParse(value)
  if (status === 200 && parsed.success) return parsed.data
  if (status === 401) throw new Refused('credential_rejected')
  if (status === 403) throw new Refused('provider_permission_missing')
  if (status === 429) throw new Refused('provider_rate_limited')
  throw new Refused(status >= 400 && status < 500 ? 'provider_refused' : 'provider_outcome_unknown')
}
