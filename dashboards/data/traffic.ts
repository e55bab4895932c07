import { isKeptBy, METRICS, type MetricName } from '../../domain/metrics/definitions.ts'
import { type Figure, figureOf, isSettled, newestFetch, pointsOf, type Series } from '../view/figures.ts'
import { type Categories, NO_CATEGORIES } from '../view/money.ts'
import { hasBreakdowns, PANELS } from '../view/panels.ts'
import { daysBehind, metricsQuery, type Range, siteDays, type Window, windowBefore, windowOf } from '../view/ranges.ts'
import { type ChartRow, chartRows } from '../view/series.ts'
import { NO_RESPONSES, type Responses, responsesOf } from '../view/shares.ts'
import type { Gateway } from './gateway.ts'
import { MetricsResponse, type SiteSummary, type z } from './schemas.ts'
import type { Answer } from './wire.ts'

export type Traffic = {
  readonly charted: MetricName
  /** The chart's; null where it counts no money. */
  readonly currency: string | null
  /** The chart's: of whole days where the metric has no hours. */
  readonly window: Window
  readonly rows: readonly ChartRow[]
  readonly figures: readonly Figure[]
  /** What made up the change of the balance; none where the figures are no money. */
  readonly categories: Categories
  /** How a site answered; none where it has no visitors. */
  readonly responses: Responses
  readonly fetchedAt: number | null
}
type Metrics = z.infer<typeof MetricsResponse>
type Site = z.infer<typeof SiteSummary>

/** All that one site's panel shows for a range, with the earlier window that it is compared with. */
export async function readTraffic(
  gateway: Gateway,
  { id: site, provider }: Pick<Site, 'id' | 'provider'>,
  range: Range,
  now: number,
): Promise<Answer<Traffic>> {
  const window = windowOf(range, now)
  const { charted, figures: shown } = PANELS[provider]
  // A mean is one of finished days; a sum and a state speak of today too.
  const ofFinished = shown.some((metric) => METRICS[metric].aggregation === 'mean')
  const days = ofFinished ? daysBehind(window, now) : siteDays(range, 'UTC', now).window
  const daysAreOurs = window.grain === 'day'
  const [current, previous, currentDays, previousDays] = await Promise.all([
    read(gateway, site, window),
    readSettled(gateway, site, windowBefore(window)),
    daysAreOurs ? null : read(gateway, site, days),
    daysAreOurs ? null : readSettled(gateway, site, windowBefore(days)),
  ])
  if (!current.ok) return current
  if (!previous.ok) return previous
  if (currentDays?.ok === false) return currentDays
  if (previousDays?.ok === false) return previousDays
  const pair = { current: current.value, previous: previous.value }
  const dayPair = { current: currentDays?.value ?? pair.current, previous: previousDays?.value ?? pair.previous }
  const inRange = (metric: MetricName) =>
    // Visitors of hours overlap even more than those of days.
    isKeptBy(window.grain, metric) && METRICS[metric].aggregation !== 'mean'
      ? { within: window, ...seriesOf(metric, pair) }
      : { within: days, ...seriesOf(metric, dayPair) }
  const figure = (metric: MetricName) => {
    const { within, ...series } = inRange(metric)
    return figureOf(metric, within, { ...series, now })
  }
  const figures = shown.map(figure)
  const { within, current: charts, previous: before } = inRange(charted)
  const rows = chartRows(within, pointsOf(charts), pointsOf(before))
  return {
    ok: true,
    value: {
      charted,
      currency: null,
      window: within,
      rows,
      figures,
      categories: NO_CATEGORIES,
      responses: hasBreakdowns(provider) ? responsesOf(figure) : NO_RESPONSES,
      fetchedAt: newestFetch(figures),
    },
  }
}

function seriesOf(name: string, { current, previous }: { current: Metrics; previous: Metrics }) {
  const named = ({ series }: Metrics): Series | undefined => series.find(({ metric }) => metric === name)
  return { current: named(current), previous: named(previous) }
}

function read(gateway: Gateway, site: Site['id'], window: Window): Promise<Answer<Metrics>> {
  return gateway(`/api/sites/${site}/metrics?${metricsQuery(window)}`, MetricsResponse)
}

/** An earlier window whose every step is finished is read once, not each minute. */
const settled = new Map<string, Metrics>()
const MAX_SETTLED = 500

async function readSettled(gateway: Gateway, site: Site['id'], window: Window): Promise<Answer<Metrics>> {
  const key = `${site} ${metricsQuery(window)}`
  const known = settled.get(key)
  if (known !== undefined) return { ok: true, value: known }
  const answer = await read(gateway, site, window)
  if (answer.ok && answer.value.series.every((series) => isSettled(window, series))) {
    if (settled.size >= MAX_SETTLED) settled.clear()
    settled.set(key, answer.value)
  }
  return answer
}

/** What was read for one person is not kept for the next one at this browser. */
export function forgetTraffic(): void {
  settled.clear()
}
