import type { ApiErrorCode } from '../../../domain/contracts/api.ts'
import type { SealedWebhook, WebhookDelivery, WebhookRefusal } from '../../../domain/contracts/gateway-door.ts'
import { WebhookEndpointId, type WebhookEventId } from '../../../domain/contracts/ids.ts'
import { claimOf, headersFor, MAX_WEBHOOK_BYTES, WebhookProvider } from '../../../domain/webhooks/judge.ts'
import { readBounded } from '../../runtime/bounded-body.ts'
import { log } from '../../runtime/log.ts'
import type { Bindings } from '../bindings.ts'
import { storeEvent } from '../queries/webhook-events.ts'
import { Refusal } from '../refusal.ts'
import type { Handler, Visit } from '../visit.ts'

/**
 * Flow 5. Cheapest first: the address, the claim, the size, and only then the vault. The provider hears 200 once the event is in
 * Postgres; until then it hears what makes it try again.
 */
export const webhooks: Handler = async (request, visit) => {
  const provider = WebhookProvider.safeParse(request.params.provider)
  const endpointId = WebhookEndpointId.safeParse(request.params.endpoint)
  if (!provider.success || !endpointId.success) throw new Refusal('webhook_refused')
  const read = (name: string) => request.headers.get(name)
  const claim = claimOf(provider.data, read, visit.now)
  if (!claim.ok) throw new Refusal('webhook_refused')
  const body = await readBounded(request.body, MAX_WEBHOOK_BYTES)
  if (!body.ok) throw new Refusal(body.code)
  const headers = headersFor(provider.data, read)
  const delivery = { provider: provider.data, endpointId: endpointId.data, headers, body: body.value }
  const judged = await judge(visit.bindings, delivery)
  if (!judged.ok) throw refusalOf(judged.code)
  if (!(await storeEvent(visit, endpointId.data, judged))) throw new Refusal('store_unreachable')
  await announce(visit, judged.eventId)
  return Response.json({ received: true }, { headers: { 'cache-control': 'no-store' } })
}

async function judge({ VAULT }: Bindings, delivery: WebhookDelivery): Promise<SealedWebhook | WebhookRefusal> {
  try {
    return await VAULT.judgeWebhook(delivery)
  } catch {
    throw new Refusal('vault_unreachable')
  }
}

/** A queue that is down costs minutes and no event: the scheduler sends the ids of those that wait. */
async function announce({ bindings, requestId }: Visit, eventId: WebhookEventId): Promise<void> {
  try {
    await bindings.INGEST.send({ event_id: eventId }, { contentType: 'json' })
  } catch {
    log('gateway', 'warn', 'event_not_queued', { request_id: requestId })
  }
}

function refusalOf(code: WebhookRefusal['code']): Refusal {
  return code === 'webhook_limited' ? new Refusal(code, { 'retry-after': '60' }) : new Refusal(wireCode(code))
}

/** What is not the sender's fault is a 503 or 423: both have it try again later. */
function wireCode(code: Exclude<WebhookRefusal['code'], 'webhook_limited'>): ApiErrorCode {
  switch (code) {
    case 'webhook_refused':
    case 'tenant_frozen':
    case 'budget_exceeded':
    case 'store_unreachable':
      return code
    case 'ledger_unreachable':
    case 'ledger_refused':
    case 'not_openable':
      return 'vault_unreachable'
  }
}
