import { z } from 'zod'
import { MAX_PAGE_ROWS } from './schemas.ts'

/** `GET /v1/events`, the newest first: each is what a webhook's body is, whole. */
export const Event = z.looseObject({
  id: z.string().regex(/^evt_[A-Za-z0-9_]{1,251}$/),
  created: z.int().min(0).max(253_402_300_799),
  type: z.string().max(128),
})
export type Event = z.infer<typeof Event>

export const Events = z.object({
  object: z.literal('list'),
  data: z.array(Event).max(MAX_PAGE_ROWS),
  has_more: z.boolean(),
})
