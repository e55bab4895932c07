import { dayOf } from '../../domain/calendar/days.ts'
import type { Grain } from '../../domain/metrics/definitions.ts'

const HOUR_MS = 60 * 60 * 1000
const DAY_MS = 24 * HOUR_MS

export const STEP_MS: Readonly<Record<Grain, number>> = { hour: HOUR_MS, day: DAY_MS }

export type RangeName = '24h' | '7d' | '30d' | '12m'
export type Range = {
  readonly name: RangeName
  readonly label: string
  /** Ends "on the previous ...". */
  readonly noun: string
  readonly grain: Grain
  readonly steps: number
}

export const DEFAULT_RANGE: Range = { name: '7d', label: '7 d', noun: '7 days', grain: 'hour', steps: 168 }
export const RANGES: readonly Range[] = [
  { name: '24h', label: '24 h', noun: '24 hours', grain: 'hour', steps: 24 },
  DEFAULT_RANGE,
  { name: '30d', label: '30 d', noun: '30 days', grain: 'day', steps: 30 },
  { name: '12m', label: '12 months', noun: '12 months', grain: 'day', steps: 365 },
]

/** Half-open, in Unix milliseconds, on whole UTC hours or days. */
export type Window = { readonly grain: Grain; readonly from: number; readonly to: number }

/** The window of a range that contains `now`: its last step is the one still running. */
export function windowOf({ grain, steps }: Pick<Range, 'grain' | 'steps'>, now: number): Window {
  const to = (Math.floor(now / STEP_MS[grain]) + 1) * STEP_MS[grain]
  return { grain, from: to - steps * STEP_MS[grain], to }
}

export function windowBefore({ grain, from, to }: Window): Window {
  return { grain, from: from - (to - from), to: from }
}

/** Unique visitors exist by whole UTC days alone: the finished days that a range of hours touches last. */
export function daysBehind({ grain, from, to }: Window, now: number): Window {
  const days = Math.max(1, Math.round((to - from) / DAY_MS))
  const end = grain === 'day' ? to : Math.floor(now / DAY_MS) * DAY_MS
  return { grain: 'day', from: end - days * DAY_MS, to: end }
}

/**
 * As many days as a range has, of a zone's own calendar: each by the UTC midnight of its date, the last the one under way. `nowInDays` is
 * where the clock stands in it.
 */
export function siteDays(
  { grain, steps }: Pick<Range, 'grain' | 'steps'>,
  timeZone: string,
  now: number,
): { readonly window: Window; readonly nowInDays: number } {
  const days = grain === 'day' ? steps : Math.max(1, Math.round((steps * STEP_MS[grain]) / DAY_MS))
  const today = dayOf(timeZone, now)
  const begin = Date.parse(today.date)
  const window = { grain: 'day', from: begin + DAY_MS - days * DAY_MS, to: begin + DAY_MS } as const
  return { window, nowInDays: begin + Math.min(now - today.from, DAY_MS - 1) }
}

export function metricsQuery({ grain, from, to }: Window): string {
  return `grain=${grain}&from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`
}
