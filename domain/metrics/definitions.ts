import type { z } from 'zod'
import type * as api from '../contracts/api.ts'

export type MetricName = z.infer<typeof api.MetricName>
export type Grain = z.infer<typeof api.Grain>
export type Unit = z.infer<typeof api.Unit>

/**
 * How points become one figure for a window. Unique visitors of two days overlap, so adding them would count people
 * twice: the honest single figure is the mean a day.
 */
export type Aggregation = 'sum' | 'mean'

export type MetricDefinition = {
  readonly name: MetricName
  readonly label: string
  readonly unit: Unit
  readonly aggregation: Aggregation
  /** The grains that a provider gives it in. */
  readonly grains: readonly Grain[]
}

export const METRICS: { readonly [Name in MetricName]: MetricDefinition & { readonly name: Name } } = {
  requests: { name: 'requests', label: 'Requests', unit: 'count', aggregation: 'sum', grains: ['hour', 'day'] },
  visits: { name: 'visits', label: 'Visits', unit: 'count', aggregation: 'sum', grains: ['hour'] },
  bytes: { name: 'bytes', label: 'Data served', unit: 'bytes', aggregation: 'sum', grains: ['hour', 'day'] },
  cached_bytes: {
    name: 'cached_bytes',
    label: 'Data served from cache',
    unit: 'bytes',
    aggregation: 'sum',
    grains: ['day'],
  },
  unique_visitors: {
    name: 'unique_visitors',
    label: 'Unique visitors a day',
    unit: 'count',
    aggregation: 'mean',
    grains: ['day'],
  },
}

export function metricsOf(grain: Grain): readonly MetricDefinition[] {
  return Object.values(METRICS).filter((metric) => metric.grains.includes(grain))
}

/** The one figure for a window's points; 0 for none. */
export function aggregate(metric: MetricName, values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  switch (METRICS[metric].aggregation) {
    case 'sum':
      return sum
    case 'mean':
      return values.length === 0 ? 0 : Math.round(sum / values.length)
  }
}
