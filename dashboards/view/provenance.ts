import type { Correction } from './delta.ts'
import { formatDate, formatDateTime, formatDay, formatTime, formatValue, type Measure, zoneLabel } from './format.ts'
import type { Window } from './ranges.ts'
import type { Coverage } from './series.ts'

export type Provenance = {
  readonly source: string
  readonly fetched_at: string
  readonly sampling: number
}

/** Past this age the newest number is called stale: a poll runs each minute, and a provider may be a few minutes behind. */
export const STALE_AFTER_MS = 15 * 60_000

export function isStale(fetchedAt: number, now: number): boolean {
  return now - fetchedAt > STALE_AFTER_MS
}

const ROLLUP = 'rollup:'

/** The provider's dataset; of a day that the provider does not give, the one that its hours are of. */
export function sourceText(source: string): string {
  if (!source.startsWith(ROLLUP)) return source
  return `${source.slice(ROLLUP.length)}, days made of the hours of UTC days`
}

/** "fetched 15:13 UTC"; with its day where that is another one. */
export function fetchedText({ fetched_at }: Provenance, now: number, timeZone: string): string {
  const at = Date.parse(fetched_at)
  const shown = isSameDay(at, now) ? formatTime(at, timeZone) : formatDateTime(at, timeZone)
  return `fetched ${shown} ${zoneLabel(timeZone)}`
}

function isSameDay(a: number, b: number): boolean {
  return new Date(a).toISOString().slice(0, 10) === new Date(b).toISOString().slice(0, 10)
}

/** Days are those that the provider counts the site in, each told as the UTC midnight of its date: the figure says which ones. */
export function daysText({ grain, from, to }: Window, zone: string): string | null {
  if (grain === 'hour') return null
  const last = to - 1
  if (isSameDay(from, last)) return `${formatDay(from, 'UTC')} (${zone} day)`
  const show = new Date(from).getUTCFullYear() === new Date(last).getUTCFullYear() ? formatDay : formatDate
  return `${show(from, 'UTC')} to ${show(last, 'UTC')} (${zone} days)`
}

/** `sampling` is how many events one counted event stands for. */
export function samplingText(sampling: number): string {
  if (sampling <= 1) return 'every event counted'
  const interval = sampling >= 10 ? Math.round(sampling) : Math.round(sampling * 10) / 10
  return `estimated from 1 in ${interval}`
}

/** "corrected 26 Nov, was 1,203" */
export function correctionText({ at, previousValue }: Correction, measure: Measure, timeZone: string): string {
  return `corrected ${formatDay(at, timeZone)}, was ${formatValue(previousValue, measure)}`
}

export function coverageText({ unfinished, missing }: Coverage, step: 'hour' | 'day'): string {
  if (unfinished + missing === 0) return 'complete'
  const parts = [
    missing === 0 ? null : `${missing} ${plural(step, missing)} missing`,
    unfinished === 0 ? null : `${unfinished} ${plural(step, unfinished)} unfinished`,
  ]
  return `partial: ${parts.filter((part) => part !== null).join(', ')}`
}

function plural(word: string, count: number): string {
  return count === 1 ? word : `${word}s`
}
