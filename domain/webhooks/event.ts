import { z } from 'zod'
import { failure, type Result, success } from '../result.ts'

/** What an event is known and ordered by. */
export type WebhookEvent = {
  /** The provider's own id: the same event delivered twice has the same. */
  readonly id: string
  /** When it happened, in Unix milliseconds. */
  readonly at: number
}
export type EventRefusal = 'webhook_body_invalid'

const MAX_ID_CHARACTERS = 255
/** Far enough for any clock; a number beyond it is no time. */
const LAST_SECOND = 253_402_300_799
const StripeEvent = z.object({
  id: z.string().startsWith('evt_').max(MAX_ID_CHARACTERS),
  created: z.int().nonnegative().max(LAST_SECOND),
})
const ResendEvent = z.object({ created_at: z.iso.datetime({ offset: true }) })

export function stripeEvent(_messageId: string, body: Uint8Array): Result<WebhookEvent, EventRefusal> {
  const event = StripeEvent.safeParse(parsed(body))
  return event.success ? success({ id: event.data.id, at: event.data.created * 1000 }) : failure('webhook_body_invalid')
}

/** Resend's body has no id of its own: Svix's message id is the event's, and is signed with it. */
export function resendEvent(messageId: string, body: Uint8Array): Result<WebhookEvent, EventRefusal> {
  const event = ResendEvent.safeParse(parsed(body))
  if (!event.success || messageId === '') return failure('webhook_body_invalid')
  return success({ id: messageId, at: Date.parse(event.data.created_at) })
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(body))
  } catch {
    return undefined
  }
}
