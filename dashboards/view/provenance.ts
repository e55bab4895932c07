import type { Correction } from './delta.ts'
import { formatDay, formatValue, type Measure } from './format.ts'
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
