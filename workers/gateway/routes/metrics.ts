import { z } from 'zod'
import { Grain, type MetricPoint, type MetricSeries, MetricsResponse } from '../../../domain/contracts/api.ts'
import { SiteId } from '../../../domain/contracts/ids.ts'
import { aggregate, type MetricDefinition, metricsOf } from '../../../domain/metrics/definitions.ts'
import { hoursKeptFrom } from '../../../domain/metrics/retention.ts'
import { type Fact, factsOf, metricsKnownBefore, type Window } from '../queries/metrics.ts'
import { siteProvider } from '../queries/sites.ts'
import { Refusal } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler, parseId, parseQuery } from '../visit.ts'
import { withTenant } from '../with-tenant.ts'

const HOUR_MS = 60 * 60 * 1000
const DAY_MS = 24 * HOUR_MS
const GRAIN_MS = { hour: HOUR_MS, day: DAY_MS } as const
/** The longest window of each grain: what a chart can show, and what one answer can carry. */
const MAX_WINDOW_MS = { hour: 31 * DAY_MS, day: 2 * 366 * DAY_MS } as const
/** Nothing that is metered is older, and every window before it stays a date that Postgres reads. */
const EARLIEST = Date.UTC(2000)

const instant = z.iso.datetime({ abort: true }).transform((text) => new Date(text))
const Query = z
  .strictObject({ grain: Grain, from: instant, to: instant })
  .refine(({ from, to }) => from.getTime() >= EARLIEST && from < to)
  .refine(({ grain, from, to }) => to.getTime() - from.getTime() <= MAX_WINDOW_MS[grain])

export const siteMetrics: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const siteId = parseId(request.params.id, SiteId)
  const window = parseQuery(visit.url, Query)
  // Refused rather than cut: a sum over less than was asked for would pass for the whole.
  if (window.grain === 'hour' && window.from.getTime() < hoursKeptFrom(visit.now)) throw new Refusal('hours_not_kept')
  const before = windowBefore(window)
  // A comparison needs facts from the first step of the earlier window on; else a site's first month would seem a jump.
  const firstStep = new Date(before.from.getTime() + GRAIN_MS[window.grain])

  const read = await withTenant(request, session, visit, async (tenancy) => {
    const provider = await siteProvider(tenancy, siteId)
    if (provider === undefined) throw new Refusal('not_found')
    const definitions = metricsOf(provider, window.grain)
    return {
      definitions,
      facts: await factsOf(tenancy, siteId, { ...window, from: before.from }),
      comparable: await metricsKnownBefore(tenancy, siteId, window.grain, definitions, firstStep),
    }
  })
  return answer(MetricsResponse, {
    site_id: siteId,
    grain: window.grain,
    from: window.from.toISOString(),
    to: window.to.toISOString(),
    series: read.definitions.flatMap((definition) =>
      currenciesOf(definition, read.facts).map((currency) => seriesOf({ ...definition, currency }, read, window)),
    ),
  })
}

function windowBefore({ grain, from, to }: Window): Window {
  return { grain, from: new Date(2 * from.getTime() - to.getTime()), to: from }
}

/** A count has one series, whether or not it has facts; money has one for each currency that it came in. */
function currenciesOf({ name, unit }: MetricDefinition, facts: readonly Fact[]): (string | null)[] {
  if (unit !== 'minor') return [null]
  return [...new Set(facts.filter(({ metric }) => metric === name).map(({ currency }) => currency))].sort()
}

function seriesOf(
  { name, unit, currency }: MetricDefinition & Pick<Fact, 'currency'>,
  { facts, comparable }: { readonly facts: readonly Fact[]; readonly comparable: ReadonlySet<string> },
  { from }: Window,
): z.input<typeof MetricSeries> {
  const own = facts.filter((fact) => fact.metric === name && fact.currency === currency)
  const current = own.filter(({ window_start }) => window_start >= from)
  const earlier = own.filter(({ window_start }) => window_start < from)
  const newest = current.at(-1)
  return {
    metric: name,
    unit,
    currency,
    total: totalOf(name, current),
    previous_total: comparable.has(name) && earlier.length > 0 ? totalOf(name, earlier) : null,
    points: current.map(pointOf),
    provenance:
      newest === undefined
        ? null
        : {
            source: newest.source,
            fetched_at: newest.fetched_at.toISOString(),
            sampling: Math.max(...current.map(({ sampling }) => sampling)),
            completeness: newest.completeness,
          },
  }
}

function pointOf({
  window_start,
  value,
  completeness,
  corrected_at,
  previous_value,
}: Fact): z.input<typeof MetricPoint> {
  const point = { at: window_start.toISOString(), value, completeness }
  if (corrected_at === null || previous_value === null) return point
  return { ...point, corrected: { at: corrected_at.toISOString(), previous_value } }
}

function totalOf(metric: MetricDefinition['name'], facts: readonly Fact[]): number {
  return aggregate(
    metric,
    facts.map(({ value }) => value),
  )
}
