import { z } from 'zod'
import { IncidentState, IncidentsResponse } from '../../../domain/contracts/api.ts'
import { listIncidents } from '../queries/incidents.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler, parseQuery } from '../visit.ts'
import { withTenant } from '../with-tenant.ts'

const Query = z.strictObject({ state: IncidentState.default('all') })

/** For members at any level of assurance: an alarm that asks for a second factor first is seen too late. */
export const incidents: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const { state } = parseQuery(visit.url, Query)
  return answer(
    IncidentsResponse,
    await withTenant(request, session, visit, (tenancy) => listIncidents(tenancy, state)),
  )
}
