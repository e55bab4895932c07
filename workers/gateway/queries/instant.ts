import { z } from 'zod'

/** A `timestamptz` column as the ISO text that the API speaks. */
export const instant = z.date().transform((date) => date.toISOString())
