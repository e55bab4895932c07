import type { WebhookEndpointId } from '../../../domain/contracts/ids.ts'
import type { WebhookProvider } from '../../../domain/webhooks/judge.ts'
import type { ProviderAccess } from './provider.ts'
import { resendEvents } from './resend-events.ts'
import { stripeEvents } from './stripe-events.ts'

/** An event as its provider lists it. */
export type ListedEvent = {
  readonly id: string
  readonly at: number
  /** What a delivery carries beside the body. */
  readonly messageId: string
  /** What a delivery's body would be; asked for where the event never came. */
  readonly body: () => Promise<Uint8Array>
}
/** Unix milliseconds, half-open, and which of the account's addresses the events were meant for. */
export type EventRange = { readonly from: number; readonly to: number; readonly endpointId: WebhookEndpointId }
type EventList = {
  /** The longest range that is asked for at once. */
  readonly longestMs: number
  /** Page by page. */
  readonly list: (access: ProviderAccess, range: EventRange) => AsyncGenerator<readonly ListedEvent[]>
}

const DAY_MS = 24 * 3_600_000

export const EVENT_LISTS: { readonly [Name in WebhookProvider]: EventList } = {
  stripe: { longestMs: DAY_MS, list: stripeEvents },
  // Its list has no end to be given: each range is read from the newest event on.
  resend: { longestMs: Number.POSITIVE_INFINITY, list: resendEvents },
}
