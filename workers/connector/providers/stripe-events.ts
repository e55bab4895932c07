import { utf8 } from '../../../domain/bytes.ts'
import { type Event, Events } from '../../../domain/providers/stripe/events.ts'
import { STRIPE_VERSION } from '../../../domain/providers/stripe/schemas.ts'
import { MAX_WEBHOOK_BYTES } from '../../../domain/webhooks/judge.ts'
import type { EventRange, ListedEvent } from './event-list.ts'
import { type ProviderAccess, ProviderFailure } from './provider.ts'
import { askProvider } from './request.ts'

/** Half of what a page may have, since an event carries the whole object that it is about. */
const PAGE_ROWS = 50
const MAX_REPLY_BYTES = 8 * 1024 * 1024
const DEFAULT_RETRY_AFTER_MS = 30_000

/**
 * docs.stripe.com/webhooks/process-undelivered-events: events that some endpoint of the account has not taken, still retried or given up.
 * The newest first; a page that repeats what was read, or is not of the range, is refused.
 */
export async function* stripeEvents(access: ProviderAccess, range: EventRange): AsyncGenerator<readonly ListedEvent[]> {
  const seen = new Set<string>()
  for (let after: string | undefined; ; ) {
    const query = new URLSearchParams({
      delivery_success: 'false',
      'created[gte]': String(Math.floor(range.from / 1000)),
      'created[lt]': String(Math.floor(range.to / 1000)),
      limit: String(PAGE_ROWS),
      ...(after === undefined ? {} : { starting_after: after }),
    })
    const answer = await askProvider(access, {
      method: 'GET',
      path: `/v1/events?${query}`,
      headers: { 'stripe-version': STRIPE_VERSION },
      maxReplyBytes: MAX_REPLY_BYTES,
      defaultRetryAfterMs: DEFAULT_RETRY_AFTER_MS,
    })
    const page = Events.safeParse(answer)
    if (!page.success) throw new ProviderFailure('provider_reply_invalid')
    const { data, has_more } = page.data
    for (const { id, created } of data) {
      if (seen.has(id)) throw new ProviderFailure('page_repeated')
      if (created * 1000 < range.from - 1000 || created * 1000 >= range.to)
        throw new ProviderFailure('provider_reply_invalid')
      seen.add(id)
    }
    yield data.map(listed)
    if (!has_more) return
    const last = data.at(-1)
    if (last === undefined) throw new ProviderFailure('provider_reply_invalid')
    after = last.id
  }
}

function listed(event: Event): ListedEvent {
  return { id: event.id, at: event.created * 1000, messageId: '', body: async () => bodyOf(event) }
}

/** One that is larger than a delivery may be is kept by its head. */
function bodyOf(event: Event): Uint8Array {
  const body = utf8(JSON.stringify(event))
  const { id, created, type } = event
  return body.length <= MAX_WEBHOOK_BYTES ? body : utf8(JSON.stringify({ id, created, type }))
}
