import { METRICS } from '../../domain/metrics/definitions.ts'
import { type Figure, figureOf, newestFetch, pointsOf } from '../view/figures.ts'
import { categoriesOf, currenciesByUse, seriesWithin } from '../view/money.ts'
import { PANELS, SHOWN_WHERE_ANY, SHOWN_WHERE_KNOWN } from '../view/panels.ts'
import { metricsQuery, type Range, STEP_MS, siteDays, windowBefore } from '../view/ranges.ts'
import { chartRows } from '../view/series.ts'
import { NO_RESPONSES } from '../view/shares.ts'
import type { Gateway } from './gateway.ts'
import { MetricsResponse, type SiteSummary, type z } from './schemas.ts'
import type { Traffic } from './traffic.ts'
import type { Answer } from './wire.ts'

/** Of a currency that is not the site's first, the figures that are its sum: what came, and what comes each month. */
const OTHERS = ['net_revenue', 'mrr'] as const

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
    const isMoney = METRICS[metric].unit === 'minor'
    const own = series.find((each) => each.metric === metric && (!isMoney || each.currency === currency))
    return { current: seriesWithin(own, time_zone, window), previous: seriesWithin(own, time_zone, before) }
  }
  const figure = (metric: (typeof shown)[number], currency: string | null) => ({
    ...figureOf(metric, window, { ...read(metric, currency), now: nowInDays }),
    currency: METRICS[metric].unit === 'minor' ? currency : null,
    label: currency === first ? METRICS[metric].label : `${METRICS[metric].label}, ${currency}`,
  })
  const figures = [
    ...shown.map((metric) => figure(metric, first)),
    ...others.flatMap((currency) => OTHERS.map((metric) => figure(metric, currency))),
  ].filter(isWorthALine)
  const { current, previous } = read(charted, first)
  const rows = chartRows(window, pointsOf(current), pointsOf(previous))
  const categories = categoriesOf(series, [...(first === null ? [] : [first]), ...others], (own) =>
    seriesWithin(own, time_zone, window),
  )
  const fetchedAt = newestFetch(figures)
  return {
    ok: true,
    value: { charted, currency: first, window, rows, figures, categories, responses: NO_RESPONSES, fetchedAt },
  }
}

function isWorthALine({ metric, value }: Figure): boolean {
  if (SHOWN_WHERE_ANY.has(metric)) return value !== null && value !== 0
  return !SHOWN_WHERE_KNOWN.has(metric) || value !== null
}
