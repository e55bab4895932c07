import { z } from 'zod'

const share = z.number().min(0).max(1).default(0)

/** What befalls deliveries, each to a share of the events between 0 and 1. Which ones follows from their ids. */
export const MishapShares = z.strictObject({
  /** No attempt ever arrives: the provider knows of no answer, and gives up in the end. */
  dropped: share,
  /** The first attempt does not arrive; the event comes with the first retry. */
  late: share,
  /** Delivered once more, although it was taken. */
  duplicated: share,
  /** Delivered after all that is due at the same time. */
  reordered: share,
  /** Somebody else sends one like it beside it, with an id and a signature of their own. */
  forged: share,
})
export type MishapShares = z.output<typeof MishapShares>
export type Mishap = keyof MishapShares

export const NO_MISHAPS: MishapShares = MishapShares.parse({})
