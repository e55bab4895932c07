import { dateIn } from '../../domain/calendar/days.ts'
import { aggregate, type MetricName } from '../../domain/metrics/definitions.ts'
import { BALANCE_NAMES } from '../../domain/providers/stripe/categories.ts'
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
export function seriesWithin(
  series: (Series & { readonly metric: MetricName }) | undefined,
  timeZone: string,
  window: Window,
): Series | undefined {
  if (series === undefined) return undefined
  const points = series.points
    .map((point) => ({ ...point, at: `${dateIn(timeZone, Date.parse(point.at))}T00:00:00.000Z` }))
    .filter(({ at }) => Date.parse(at) >= window.from && Date.parse(at) < window.to)
  const values = points.map(({ value }) => value)
  return { ...series, points, total: aggregate(series.metric, values) }
}

export type Categories = {
  readonly currencies: readonly string[]
  /** An amount for each of the currencies; null where nothing of the kind happened. */
  readonly rows: readonly { readonly metric: MetricName; readonly amounts: readonly (number | null)[] }[]
}
export const NO_CATEGORIES: Categories = { currencies: [], rows: [] }

type Booked = MoneySeries & { readonly metric: MetricName }

/** Stripe's reporting categories that were met in the window, each currency for itself. */
export function categoriesOf<Own extends Booked>(
  series: readonly Own[],
  currencies: readonly string[],
  within: (own: Own) => Series | undefined,
): Categories {
  const rows = BALANCE_NAMES.map((metric) => ({
    metric,
    amounts: currencies.map((currency) => {
      const own = series.find((each) => each.metric === metric && each.currency === currency)
      const shown = own === undefined ? undefined : within(own)
      return shown === undefined || shown.points.length === 0 ? null : shown.total
    }),
  })).filter(({ amounts }) => amounts.some((amount) => amount !== null))
  return { currencies, rows }
}
