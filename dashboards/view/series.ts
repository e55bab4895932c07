import type { Correction, Point } from './delta.ts'
import { STEP_MS, type Window } from './ranges.ts'

/** One step of a chart. A step that the provider gave no number for stays a gap: it is not a zero. */
export type ChartRow = {
  readonly at: number
  readonly value: number | null
  readonly partial: boolean
  /** What the solid line draws: finished steps. */
  readonly finished: number | null
  /** What the dashed line draws: unfinished steps, from the finished neighbour on, so that the lines meet. */
  readonly unfinished: number | null
  /** Finished, with a gap at either side: no line goes through it. */
  readonly alone: boolean
  readonly previous: number | null
  readonly corrected: Correction | null
}

export function chartRows(window: Window, current: readonly Point[], previous: readonly Point[]): ChartRow[] {
  const step = STEP_MS[window.grain]
  const offset = window.to - window.from
  const now = new Map(current.map((point) => [point.at, point]))
  const before = new Map(previous.map((point) => [point.at, point.value]))
  const steps = Array.from({ length: offset / step }, (_, index) => window.from + index * step)
  return steps.map((at) => {
    const point = now.get(at)
    const partial = point !== undefined && !point.complete
    const beside = [now.get(at - step), now.get(at + step)].filter((next) => next !== undefined)
    const besideUnfinished = beside.some(({ complete }) => !complete)
    return {
      at,
      value: point?.value ?? null,
      partial,
      finished: point?.complete ? point.value : null,
      unfinished: point !== undefined && (partial || besideUnfinished) ? point.value : null,
      alone: point?.complete === true && beside.length === 0,
      previous: before.get(at - offset) ?? null,
      corrected: point?.corrected ?? null,
    }
  })
}

/** Where the axis writes: few enough to read, on whole steps counted from the window's end. */
export function ticksOf(window: Window, wanted: number): number[] {
  const step = STEP_MS[window.grain]
  const steps = (window.to - window.from) / step
  const every = TICK_STEPS.find((candidate) => steps / candidate <= wanted) ?? steps
  const first = Math.ceil(window.from / (every * step)) * every * step
  const count = Math.ceil((window.to - first) / (every * step))
  return Array.from({ length: count }, (_, index) => first + index * every * step)
}
const TICK_STEPS = [1, 2, 3, 4, 6, 12, 24, 48, 61, 91, 122]

export type Coverage = { readonly finished: number; readonly unfinished: number; readonly missing: number }

/**
 * How much of a window its numbers cover. The step that is still running and has no number yet is not missing; one that has ended and whose
 * number is not due yet is unfinished.
 */
export function coverageOf(window: Window, current: readonly Point[], now: number, dueMs = 0): Coverage {
  const step = STEP_MS[window.grain]
  const endedBy = (at: number) => Math.max(0, Math.floor((Math.min(at, window.to) - window.from) / step))
  const knownOf = (at: number) => current.filter((point) => point.at + step <= at).length
  const withoutNumber = (at: number) => endedBy(at) - knownOf(at)
  const missing = Math.max(0, withoutNumber(now - dueMs))
  const waiting = Math.max(0, withoutNumber(now) - missing)
  const finished = current.filter(({ complete }) => complete).length
  return { finished, unfinished: current.length - finished + waiting, missing }
}
