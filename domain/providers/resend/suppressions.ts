import { z } from 'zod'

/** Resend's suppression list (github.com/resend/resend-openapi 1.5.0, in private beta): whom a team's mail is not sent to any more. */
export const MAX_LISTED = 100

export const Suppression = z.object({
  id: z.uuid(),
  email: z.string().max(320),
  /** `bounce`, `complaint` or `manual`; another one is shown as it is. */
  origin: z.string().max(32),
  created_at: z.string().max(64),
})
export type Suppression = z.infer<typeof Suppression>

/** `GET /suppressions?limit=&after=`, the newest first. Unknown members are ignored. */
export const Suppressions = z.object({
  object: z.literal('list'),
  has_more: z.boolean(),
  data: z.array(Suppression).max(MAX_LISTED),
})

/** `DELETE /suppressions/{id}`. */
export const RemovedSuppression = z.object({ object: z.literal('suppression'), id: z.uuid(), deleted: z.literal(true) })
/** `POST /domains/{id}/verify`: that it looks again, not what it found. */
export const VerifyStarted = z.object({ object: z.literal('domain'), id: z.uuid() })
