import { dateIn } from '../../domain/calendar/days.ts'
import type { Series } from './figures.ts'
import type { Window } from './ranges.ts'

type MoneySeries = Series & { readonly metric: string; readonly currency: string | null }

/** The currency with the most days on which something moved comes first. */
export function currenciesByUse(series: readonly MoneySeries[], metric: string): string[] {
  return series
    .filter((each) => each.metric === metric)
    .flatMap(({ currency, points }) =>
      currency === null ? [] : [{ currency, days: points.filter(({ value }) => value !== 0).length }],
    )
    .sort((a, b) => b.days - a.days || a.currency.localeCompare(b.currency))
    .map(({ currency }) => currency)
}

/**
 * Points under the date that their day has in the site's zone, told as that date's UTC midnight: days of 23 or 25 hours are then steps
 * like all others.
 */
export function seriesWithin(series: Series | undefined, timeZone: string, window: Window): Series | undefined {
  if (series === undefined) return undefined
  const points = series.points
    .map((point) => ({ ...point, at: `${dateIn(timeZone, Date.parse(point.at))}T00:00:00.000Z` }))
    .filter(({ at }) => Date.parse(at) >= window.from && Date.parse(at) < window.to)
  return { ...series, points, total: points.reduce((total, { value }) => total + value, 0) }
}
