import { aggregate, METRICS, type MetricName, type Unit } from '../../domain/metrics/definitions.ts'
import { type Delta, likeForLike, type Point } from './delta.ts'
import type { Provenance } from './provenance.ts'
import { STEP_MS, type Window } from './ranges.ts'
import { type Coverage, coverageOf } from './series.ts'

/** One metric over one window, as the gateway gives it. */
export type Series = {
  readonly total: number
  readonly points: readonly {
    readonly at: string
    readonly value: number
    readonly completeness: 'complete' | 'partial'
    readonly corrected?: { readonly at: string; readonly previous_value: number } | undefined
  }[]
  readonly provenance: (Provenance & { readonly completeness: 'complete' | 'partial' }) | null
}

export type Figure = {
  readonly metric: MetricName
  readonly label: string
  readonly unit: Unit
  readonly currency: string | null
  readonly window: Window
  /** Null where no fact covers the window. */
  readonly value: number | null
  readonly delta: Delta
  readonly provenance: Provenance | null
  readonly coverage: Coverage
  /** Over how many steps the value is a mean; null for a sum. */
  readonly meanOf: number | null
}

export function pointsOf(series: Series | undefined): Point[] {
  return (series?.points ?? []).map(({ at, value, completeness, corrected }) => ({
    at: Date.parse(at),
    value,
    complete: completeness === 'complete',
    corrected:
      corrected === undefined ? null : { at: Date.parse(corrected.at), previousValue: corrected.previous_value },
  }))
}

export function figureOf(
  metric: MetricName,
  window: Window,
  { current, previous, now }: { current: Series | undefined; previous: Series | undefined; now: number },
): Figure {
  const points = pointsOf(current)
  const { label, unit, aggregation, hourDueMs = 0 } = METRICS[metric]
  const coverage = coverageOf(window, points, now, window.grain === 'hour' ? hourDueMs : 0)
  const unfinishedLeftOut = aggregation === 'mean' && coverage.finished > 0
  return {
    metric,
    label,
    unit,
    currency: null,
    window,
    value: windowFigure(metric, current, points),
    delta: likeForLike(metric, points, pointsOf(previous), window.to - window.from),
    provenance: current?.provenance ?? null,
    coverage: unfinishedLeftOut ? { ...coverage, unfinished: 0 } : coverage,
    meanOf: aggregation === 'mean' ? Math.max(1, coverage.finished) : null,
  }
}

/** A mean would be pulled down by a day that is still running, so finished days alone make it, once there are any. */
function windowFigure(metric: MetricName, series: Series | undefined, points: readonly Point[]): number | null {
  if (series === undefined || points.length === 0) return null
  if (METRICS[metric].aggregation !== 'mean') return series.total
  const finished = points.filter(({ complete }) => complete)
  return aggregate(
    metric,
    (finished.length > 0 ? finished : points).map(({ value }) => value),
  )
}

/** When the newest of these numbers was fetched; null when there is none. */
export function newestFetch(figures: readonly Figure[]): number | null {
  const times = figures.flatMap(({ provenance }) => (provenance === null ? [] : [Date.parse(provenance.fetched_at)]))
  return times.length === 0 ? null : Math.max(...times)
}

/** Whether every step has its number, finished: such a window will not change soon. */
export function isSettled(window: Window, series: Series | undefined): boolean {
  const points = pointsOf(series)
  return points.length === (window.to - window.from) / STEP_MS[window.grain] && points.every(({ complete }) => complete)
}
