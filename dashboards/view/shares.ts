import type { MetricName } from '../../domain/metrics/definitions.ts'
import type { TopDimension, TopResponse, z } from '../data/schemas.ts'
import type { Figure } from './figures.ts'
import { STEP_MS, type Window } from './ranges.ts'

/** A part of a whole: `part` is from 0 to 1, and 0 where the whole is nothing. */
export type Share = { readonly key: string; readonly label: string; readonly value: number; readonly part: number }

export const RESPONSE_CLASSES = [
  { metric: 'responses_1xx', label: '1xx informational' },
  { metric: 'responses_2xx', label: '2xx success' },
  { metric: 'responses_3xx', label: '3xx redirection' },
  { metric: 'responses_4xx', label: '4xx client error' },
  { metric: 'responses_5xx', label: '5xx server error' },
] as const satisfies readonly { readonly metric: MetricName; readonly label: string }[]

/** `origin`: the figure of one class, since all are of the same rows; null where none is known. */
export type Responses = { readonly shares: readonly Share[]; readonly origin: Figure | null }
export const NO_RESPONSES: Responses = { shares: [], origin: null }

/** Answers by class of status; classes without any are left out. Of their own sum: requests may be estimates, and these are not. */
export function responsesOf(figureOf: (metric: MetricName) => Figure): Responses {
  const classes = RESPONSE_CLASSES.map(({ metric, label }) => ({ label, figure: figureOf(metric) }))
  const total = classes.reduce((sum, { figure }) => sum + (figure.value ?? 0), 0)
  const shares = classes.flatMap(({ label, figure: { metric, value } }) =>
    value === null || value === 0 ? [] : [{ key: metric, label, value, part: value / total }],
  )
  return { shares, origin: classes.find(({ figure }) => figure.provenance !== null)?.figure ?? null }
}

export type Top = {
  readonly shares: readonly Share[]
  /** All that is not among the shares. */
  readonly rest: Share
  readonly days: number
  readonly provenance: z.infer<typeof TopResponse>['provenance']
}

/** As many as stand beside the classes of status without making the panel longer. The console and the API have more. */
const MAX_SHARES = 6

export function topOf({ dimension, total, days, rows, provenance }: z.infer<typeof TopResponse>): Top {
  const shareOf = (key: string, label: string, value: number): Share => ({
    ...{ key, label, value },
    part: total === 0 ? 0 : value / total,
  })
  const shares = rows
    .slice(0, MAX_SHARES)
    .map(({ key, value }) => shareOf(key, dimension === 'country' ? countryName(key) : key, value))
  const rest = total - shares.reduce((sum, { value }) => sum + value, 0)
  return { days, provenance, shares, rest: shareOf('', 'All others', rest) }
}

/** Codes of Cloudflare's own: Tor has no country, and of some addresses none is known. */
const NO_COUNTRY: Readonly<Record<string, string>> = { T1: 'Tor network', XX: 'Unknown' }
const names = new Intl.DisplayNames('en-GB', { type: 'region', fallback: 'code' })

export function countryName(code: string): string {
  const own = NO_COUNTRY[code]
  if (own !== undefined) return own
  // What is no region code at all would throw.
  return /^[A-Z]{2}$/.test(code) ? (names.of(code) ?? code) : code
}

/** Shares are kept by the UTC day: all days that a window touches. */
export function daysTouched({ from, to }: Window): Window {
  const begin = Math.floor(from / STEP_MS.day) * STEP_MS.day
  return { grain: 'day', from: begin, to: Math.ceil(to / STEP_MS.day) * STEP_MS.day }
}

export function topQuery(dimension: z.infer<typeof TopDimension>, { from, to }: Window): string {
  return `dimension=${dimension}&from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`
}
