import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import type { WebhookProvider } from '../../domain/webhooks/judge.ts'
import type { Agency } from './polling-agency.ts'
import type { PollingStack } from './polling-stand.ts'

/** A provider that delivers, as its published algorithm has it and with another implementation of HMAC than the one that judges. */
export type Delivery = { readonly headers: Record<string, string>; readonly body: string }
export type Endpoint = { readonly id: string; readonly provider: WebhookProvider; readonly secret: string }
export type SignedEvent = { readonly id?: string; readonly at: number; readonly now: number; readonly padding?: number }

export function newSigningSecret(provider: WebhookProvider): string {
  return provider === 'stripe'
    ? `whsec_${randomBytes(16).toString('hex')}`
    : `whsec_${randomBytes(24).toString('base64')}`
}

/** What `webhook-store` leaves, whose own road is tested elsewhere: an endpoint for the agency's first key, and its secret. */
export async function addEndpoint(
  { sql, now }: PollingStack,
  agency: Agency,
  provider: WebhookProvider,
): Promise<Endpoint & { readonly secretId: string }> {
  const [id, secretId, secret] = [randomBytes(16).toString('base64url'), randomUUID(), newSigningSecret(provider)]
  await agency.store(secretId, secret, agency.credentialId)
  await sql`insert into flarewatch.webhook_endpoints (id, tenant_id, credential_id, provider, paid_until, created_at)
    values (${id}, ${agency.tenantId}, ${agency.credentialId}, ${provider}, ${new Date(now)}, ${new Date(now)})`
  return { id, provider, secret, secretId }
}

/** docs.stripe.com/webhooks ("Verify webhook signatures manually") and docs.svix.com/receiving/verifying-payloads/how-manual. */
export function signed({ provider, secret }: Omit<Endpoint, 'id'>, event: SignedEvent): Delivery {
  const { id = `evt_${randomUUID()}`, at, now, padding = 0 } = event
  const timestamp = String(Math.floor(now / 1000))
  const pad = ' '.repeat(padding)
  if (provider === 'stripe') {
    const body = `${JSON.stringify({ id, object: 'event', created: Math.floor(at / 1000), type: 'charge.succeeded' })}${pad}`
    const mac = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
    return { headers: { 'stripe-signature': `t=${timestamp},v1=${mac}` }, body }
  }
  const body = `${JSON.stringify({ type: 'email.delivered', created_at: new Date(at).toISOString(), data: {} })}${pad}`
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { headers: { 'svix-id': id, 'svix-timestamp': timestamp, 'svix-signature': `v1,${mac}` }, body }
}

export function deliver({ origin }: PollingStack, path: string, { headers, body }: Delivery): Promise<Response> {
  return fetch(`${origin}/webhooks/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
}
