import { z } from 'zod'
import { MAX_PAGE_ITEMS } from './schemas.ts'

/** Svix's id of a message, which is the event's: a delivery carries it as `svix-id`. */
const eventId = z.string().regex(/^msg_[A-Za-z0-9]{1,251}$/)
const moment = z.string().max(64)

/** `GET /webhooks?limit=&after=`: where the team has its events delivered. */
export const WebhooksPage = z.object({
  object: z.literal('list'),
  has_more: z.boolean(),
  data: z.array(z.object({ id: z.uuid(), endpoint: z.string().max(2048) })).max(MAX_PAGE_ITEMS),
})

/** `GET /webhooks/{id}/events?limit=&after=`: the newest first, within what the team's plan keeps. */
export const EventsPage = z.object({
  object: z.literal('list'),
  has_more: z.boolean(),
  data: z.array(z.object({ id: eventId, created_at: moment })).max(MAX_PAGE_ITEMS),
})

/** `GET /webhooks/{id}/events/{event}`: with the body that was to be delivered. */
export const EventDetail = z.object({ id: eventId, payload: z.looseObject({}) })
