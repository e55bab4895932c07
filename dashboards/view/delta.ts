import { aggregate, type MetricName } from '../../domain/metrics/definitions.ts'

/** That a figure was final and the provider changed it later. */
export type Correction = { readonly at: number; readonly previousValue: number }
export type Point = {
  readonly at: number
  readonly value: number
  readonly complete: boolean
  readonly corrected: Correction | null
}

export type Delta =
  /** Nothing to compare with: no earlier numbers, or too few windows that both sides have. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'from_zero'; readonly current: number }
  | { readonly kind: 'change'; readonly ratio: number; readonly current: number; readonly previous: number }

const UNKNOWN: Delta = { kind: 'unknown' }
/** Below this share of a window's finished steps, a comparison would speak for the gaps. */
const MIN_SHARE = 0.5

/**
 * Like for like: only finished steps that have a number on both sides count. Comparing a window whose last hour is still
 * running with a whole one would show a drop that is none.
 */
export function likeForLike(
  metric: MetricName,
  current: readonly Point[],
  previous: readonly Point[],
  offsetMs: number,
): Delta {
  const earlier = new Map(previous.map(({ at, value }) => [at, value]))
  const finished = current.filter(({ complete }) => complete)
  const pairs = finished.flatMap(({ at, value }) => {
    const before = earlier.get(at - offsetMs)
    return before === undefined ? [] : [{ value, before }]
  })
  if (pairs.length === 0 || pairs.length < finished.length * MIN_SHARE) return UNKNOWN
  return deltaOf(
    aggregate(
      metric,
      pairs.map(({ value }) => value),
    ),
    aggregate(
      metric,
      pairs.map(({ before }) => before),
    ),
  )
}

export function deltaOf(current: number, previous: number): Delta {
  if (previous === 0)
    return current === 0 ? { kind: 'change', ratio: 0, current, previous } : { kind: 'from_zero', current }
  return { kind: 'change', ratio: (current - previous) / previous, current, previous }
}

export type DeltaText = { readonly short: string; readonly spoken: string; readonly direction: 'up' | 'down' | 'flat' }

const LARGEST_SHOWN = 9.995

/** Sign, per cent and words: colour alone says nothing to many. */
export function deltaText(delta: Delta, noun: string): DeltaText {
  if (delta.kind === 'unknown')
    return { short: 'no history', spoken: `no earlier ${noun} to compare with`, direction: 'flat' }
  if (delta.kind === 'from_zero')
    return { short: 'from 0', spoken: `up from 0 in the previous ${noun}`, direction: 'up' }
  const percent = Math.abs(delta.ratio) * 100
  const digits = percent >= 99.95 ? 0 : 1
  const amount = delta.ratio > LARGEST_SHOWN ? 'more than 999 %' : `${percent.toFixed(digits)} %`
  if (Number(percent.toFixed(digits)) === 0)
    return { short: '±0.0 %', spoken: `unchanged on the previous ${noun}`, direction: 'flat' }
  return delta.ratio > 0
    ? {
        short: delta.ratio > LARGEST_SHOWN ? '> +999 %' : `+${amount}`,
        spoken: `up ${amount} on the previous ${noun}`,
        direction: 'up',
      }
    : { short: `−${amount}`, spoken: `down ${amount} on the previous ${noun}`, direction: 'down' }
}
