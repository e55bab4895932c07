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

/** `sampling` is how many events one counted event stands for. */
export function samplingText(sampling: number): string {
  if (sampling <= 1) return 'every event counted'
  const interval = sampling >= 10 ? Math.round(sampling) : Math.round(sampling * 10) / 10
  return `estimated from 1 in ${interval}`
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
