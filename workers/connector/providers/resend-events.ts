import { utf8 } from '../../../domain/bytes.ts'
import { MAX_WEBHOOK_BYTES } from '../../../domain/webhooks/judge.ts'
import type { EventRange, ListedEvent } from './event-list.ts'
import { type ProviderAccess, ProviderFailure } from './provider.ts'
import { ResendClient } from './resend-client.ts'

/** Every event that was meant for the address, delivered or not, the newest first, down to the range's begin. */
export async function* resendEvents(access: ProviderAccess, range: EventRange): AsyncGenerator<readonly ListedEvent[]> {
  const client = new ResendClient(access)
  const webhookId = await client.webhookAt(`/webhooks/resend/${range.endpointId}`)
  if (webhookId === undefined) throw new ProviderFailure('webhook_unregistered')
  for await (const page of client.webhookEvents(webhookId)) {
    yield page
      .filter(({ at }) => at >= range.from && at < range.to)
      .map(({ id, at }) => ({
        id,
        at,
        messageId: id,
        body: async () => bodyOf(await client.webhookPayload(webhookId, id)),
      }))
    if (page.some(({ at }) => at < range.from)) return
  }
}

/** One that is larger than a delivery may be is kept without what it says. */
function bodyOf(payload: unknown): Uint8Array {
  const body = utf8(JSON.stringify(payload))
  return body.length <= MAX_WEBHOOK_BYTES ? body : utf8('{}')
}
