import { type Range, type Window, windowOf } from '../view/ranges.ts'
import { daysTouched, type Top, topOf, topQuery } from '../view/shares.ts'
import type { Gateway } from './gateway.ts'
import { type SiteId, TopResponse } from './schemas.ts'
import type { Answer } from './wire.ts'

export type Tops = { readonly window: Window; readonly country: Top; readonly path: Top }

/** Both breakdowns of a site's requests over the days that a range touches. */
export async function readTops(gateway: Gateway, site: SiteId, range: Range, now: number): Promise<Answer<Tops>> {
  const window = daysTouched(windowOf(range, now))
  const [country, path] = await Promise.all([
    gateway(`/api/sites/${site}/top?${topQuery('country', window)}`, TopResponse),
    gateway(`/api/sites/${site}/top?${topQuery('path', window)}`, TopResponse),
  ])
  if (!country.ok) return country
  if (!path.ok) return path
  return { ok: true, value: { window, country: topOf(country.value), path: topOf(path.value) } }
}
