import { METRICS } from '../../domain/metrics/definitions.ts'
import { figureOf, newestFetch, pointsOf } from '../view/figures.ts'
import { currenciesByUse, seriesWithin } from '../view/money.ts'
import { PANELS } from '../view/panels.ts'
import { metricsQuery, type Range, STEP_MS, siteDays, windowBefore } from '../view/ranges.ts'
import { chartRows } from '../view/series.ts'
import type { Gateway } from './gateway.ts'
import { MetricsResponse, type SiteSummary, type z } from './schemas.ts'
import type { Traffic } from './traffic.ts'
import type { Answer } from './wire.ts'

/** Of a currency that is not the site's first, the one figure that is its sum. */
const OTHERS = ['net_revenue'] as const

/** What a site's panel shows where its figures are money: by days of the site's own zone, and each currency for itself. */
export async function readRevenue(
  gateway: Gateway,
  { id, provider, time_zone }: Pick<z.infer<typeof SiteSummary>, 'id' | 'provider' | 'time_zone'>,
  range: Range,
  now: number,
): Promise<Answer<Traffic>> {
  const { window, nowInDays } = siteDays(range, time_zone, now)
  const before = windowBefore(window)
  // A zone's day begins up to a day away from the UTC day of the same date.
  const asked = { grain: 'day', from: before.from - STEP_MS.day, to: window.to + STEP_MS.day } as const
  const answer = await gateway(`/api/sites/${id}/metrics?${metricsQuery(asked)}`, MetricsResponse)
  if (!answer.ok) return answer
  const { series } = answer.value
  const { charted, figures: shown } = PANELS[provider]
  const [first = null, ...others] = currenciesByUse(series, charted)
  const read = (metric: (typeof shown)[number], currency: string | null) => {
    const own = series.find((each) => each.metric === metric && each.currency === currency)
    return { current: seriesWithin(own, time_zone, window), previous: seriesWithin(own, time_zone, before) }
  }
  const figure = (metric: (typeof shown)[number], currency: string | null) => ({
    ...figureOf(metric, window, { ...read(metric, currency), now: nowInDays }),
    currency,
    label: currency === first ? METRICS[metric].label : `${METRICS[metric].label}, ${currency}`,
  })
  const figures = [
    ...shown.map((metric) => figure(metric, first)),
    ...others.flatMap((currency) => OTHERS.map((metric) => figure(metric, currency))),
  ]
  const { current, previous } = read(charted, first)
  const rows = chartRows(window, pointsOf(current), pointsOf(previous))
  return { ok: true, value: { charted, currency: first, window, rows, figures, fetchedAt: newestFetch(figures) } }
}
