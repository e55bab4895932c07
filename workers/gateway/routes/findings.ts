import { FindingsResponse } from '../../../domain/contracts/api.ts'
import { SiteId } from '../../../domain/contracts/ids.ts'
import { findingsOf } from '../queries/findings.ts'
import { siteProvider } from '../queries/sites.ts'
import { Refusal } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler, parseId } from '../visit.ts'
import { withTenant } from '../with-tenant.ts'

const RESOLVED_MS = 30 * 24 * 60 * 60 * 1000

export const siteFindings: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const siteId = parseId(request.params.id, SiteId)
  const findings = await withTenant(request, session, visit, async (tenancy) => {
    if ((await siteProvider(tenancy, siteId)) === undefined) throw new Refusal('not_found')
    return findingsOf(tenancy, siteId, new Date(visit.now - RESOLVED_MS))
  })
  return answer(FindingsResponse, { site_id: siteId, ...findings })
}
