import { EventMessage } from '../../domain/contracts/queues.ts'
import { log } from '../runtime/log.ts'
import { applyEvent, type EventParts } from './apply-event.ts'
import { type QueueMessage, retryDelaySeconds } from './ingest.queue.ts'

/** Whether a message names an event of the inbox, and not a job. */
export function isEventMessage({ body }: QueueMessage): boolean {
  return EventMessage.safeParse(body).success
}

/** Each for itself; an event that no retry helps stays in the inbox, and the scheduler sends its id again. */
export async function consumeEvents(parts: EventParts, messages: readonly QueueMessage[]): Promise<void> {
  await Promise.all(messages.map((message) => consumeOne(parts, message)))
}

async function consumeOne(parts: EventParts, message: QueueMessage): Promise<void> {
  const { event_id: eventId } = EventMessage.parse(message.body)
  try {
    const { retry, code } = await applyEvent(parts, eventId)
    log('connector', retry ? 'warn' : 'info', 'webhook_event', { code, attempt: message.attempts })
    if (retry) message.retry({ delaySeconds: retryDelaySeconds(message.attempts) })
    else message.ack()
  } catch {
    log('connector', 'error', 'retried', { code: 'store_unreachable', attempt: message.attempts })
    message.retry({ delaySeconds: retryDelaySeconds(message.attempts) })
  }
}
