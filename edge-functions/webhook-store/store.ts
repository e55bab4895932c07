import { WebhookStore } from 'domain/contracts/functions.ts'
import { WEBHOOK_SCHEMES } from 'domain/webhooks/judge.ts'
import type { z } from 'zod'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import { sealNewSecret } from '../_shared/sealed-secret.ts'
import type { Store } from '../_shared/store.ts'
import { requireAal2 } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'

export type WebhookStoreParts = {
  readonly vault: Vault<'credential-seal' | 'settle'>
  readonly store: Store<'idempotent_response' | 'store_webhook_secret'>
}
type Input = z.infer<typeof WebhookStore.request>
type Output = z.infer<typeof WebhookStore.response>

const STORE = { functionName: 'webhook-store', action: 'credential.store', done: 'stored' } as const

/** As any secret is stored, but nobody is asked about it: a signing secret can do nothing at the provider. */
export async function storeWebhookSecret(parts: WebhookStoreParts, call: Call<Input>): Promise<Output> {
  const { provider, secret, webhook_of, endpoint_id, label } = call.input
  requireAal2(call.user)
  const shape = WEBHOOK_SCHEMES[provider].key(secret)
  if (!shape.ok) throw new Refused(shape.code)
  const judge = async () => ({ sites: [], webhook_of, label })
  const stored = await sealNewSecret(parts, call, STORE, judge, (request) =>
    parts.store('store_webhook_secret', { ...request, endpoint_id }),
  )
  return WebhookStore.response.parse(stored)
}
