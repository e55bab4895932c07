import { zeroize } from '../../domain/bytes.ts'
import type { ActOutcome, ConnectorDoorApi } from '../../domain/contracts/connector-door.ts'
import type { WebhookEventId } from '../../domain/contracts/ids.ts'
import { openRecordOrFault } from '../../domain/envelope/record.ts'
import { failure, type Result } from '../../domain/result.ts'
import { unpackDelivery } from '../../domain/webhooks/delivery.ts'
import { eventOf, type WebhookEvent } from '../../domain/webhooks/judge.ts'
import { log } from '../runtime/log.ts'
import type { EventStore, WaitingEvent } from './event-store.ts'
import { callVault } from './release.ts'

export type EventParts = { readonly events: EventStore; readonly vault: ConnectorDoorApi }
/** `code` is a stable word. Whatever does not retry is at its end. */
export type EventVerdict = { readonly retry: boolean; readonly code: string }

/**
 * A genuine event makes its account due for a poll, once: what the event says is not booked, since the provider's own list is read
 * right after it, whole and in order (ADR-0023). So forged, repeated and reordered events have nothing to get wrong.
 */
export async function applyEvent({ events, vault }: EventParts, eventId: WebhookEventId): Promise<EventVerdict> {
  const waiting = await events.waiting(eventId)
  if (waiting === undefined) return { retry: false, code: 'event_finished' }
  // Its key was destroyed while it waited.
  const { ciphertext, dek_version: dekVersion } = waiting
  if (ciphertext === null || dekVersion === null) return { retry: false, code: await events.apply(eventId, null) }
  const door = await callVault(() => vault.openEvent(eventId))
  if (!door.ok) {
    if (door.code === 'not_openable') await endUnread(events, eventId, waiting, door.code)
    return { retry: door.retryable, code: door.code }
  }
  const subkey = Uint8Array.from(door.subkey)
  zeroize(door.subkey)
  try {
    const { tenantId } = door
    const isSame = tenantId === waiting.tenant_id && door.dekVersion === dekVersion
    const context = { tenantId, eventId, dekVersion }
    const read = isSame ? await readEvent({ subkey, context, sealed: ciphertext }, waiting) : failure('event_mismatch')
    if (read.ok) return await settled(vault, eventId, true, await events.apply(eventId, read.value))
    await endUnread(events, eventId, waiting, read.code)
    return await settled(vault, eventId, false, read.code)
  } finally {
    zeroize(subkey)
  }
}

/** Without what it says, an event is a poll too many at most. What did not open is for people to see; what a provider wrote is not. */
async function endUnread(
  events: EventStore,
  eventId: WebhookEventId,
  { tenant_id: tenantId }: WaitingEvent,
  code: string,
): Promise<void> {
  if (code !== 'webhook_body_invalid') await events.noteUnopened(eventId, tenantId, code)
  await events.apply(eventId, null)
}

async function readEvent(
  record: Parameters<typeof openRecordOrFault>[0],
  { provider }: WaitingEvent,
): Promise<Result<WebhookEvent, string>> {
  const plaintext = await openRecordOrFault(record)
  if (!plaintext.ok) return plaintext
  const delivery = unpackDelivery(plaintext.value)
  return delivery.ok ? eventOf(provider, delivery.value) : delivery
}

async function settled(
  vault: ConnectorDoorApi,
  eventId: WebhookEventId,
  succeeded: boolean,
  code: string,
): Promise<EventVerdict> {
  const outcome: ActOutcome = { succeeded, code }
  const told = await callVault(() => vault.settleEvent(eventId, outcome))
  if (!told.ok) log('connector', 'warn', 'settle_failed', { code: told.code })
  return { retry: false, code }
}
