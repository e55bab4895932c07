import { z } from 'zod'
import { TopDimension, TopResponse } from '../../../domain/contracts/api.ts'
import { SiteId } from '../../../domain/contracts/ids.ts'
import { siteProvider } from '../queries/sites.ts'
import { sharesOf, wholeOf } from '../queries/tops.ts'
import { Refusal } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler, parseId, parseQuery } from '../visit.ts'
import { withTenant } from '../with-tenant.ts'

const MAX_SHARES = 10
const MAX_WINDOW_MS = 2 * 366 * 24 * 3_600_000
/** Nothing that is metered is older. */
const EARLIEST = Date.UTC(2000)

const instant = z.iso.datetime({ abort: true }).transform((text) => new Date(text))
const Query = z
  .strictObject({ dimension: TopDimension, from: instant, to: instant })
  .refine(({ from, to }) => from.getTime() >= EARLIEST && from < to && to.getTime() - from.getTime() <= MAX_WINDOW_MS)

export const siteTop: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const siteId = parseId(request.params.id, SiteId)
  const days = parseQuery(visit.url, Query)
  const { rows, whole } = await withTenant(request, session, visit, async (tenancy) => {
    if ((await siteProvider(tenancy, siteId)) === undefined) throw new Refusal('not_found')
    return { rows: await sharesOf(tenancy, siteId, days, MAX_SHARES), whole: await wholeOf(tenancy, siteId, days) }
  })
  const { source, fetched_at, sampling, completeness } = whole
  const isKnown = source !== null && fetched_at !== null && sampling !== null && completeness !== null
  return answer(TopResponse, {
    site_id: siteId,
    dimension: days.dimension,
    from: days.from.toISOString(),
    to: days.to.toISOString(),
    total: whole.total,
    days: whole.days,
    rows,
    provenance: isKnown ? { source, fetched_at: fetched_at.toISOString(), sampling, completeness } : null,
  })
}
