import { z } from 'zod'

const ClockReading = z.object({ now: z.int().nonnegative() })

/**
 * Unix milliseconds: the decision time that is passed down as an argument. Only the embedded stack binds CLOCK, so that
 * tests can set the time; the check of the walls refuses that name in any wrangler file.
 */
export async function currentTime(bindings: { readonly CLOCK?: Fetcher | undefined }): Promise<number> {
  if (bindings.CLOCK === undefined) return Date.now()
  const answer = await bindings.CLOCK.fetch('http://clock/')
  return ClockReading.parse(await answer.json()).now
}
