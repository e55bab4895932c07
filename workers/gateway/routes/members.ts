import { z } from 'zod'
import { MembersResponse } from '../../../domain/contracts/api.ts'
import { listPeople, openResets, pendingInvitations } from '../queries/members.ts'
import { Refusal } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler, parseQuery } from '../visit.ts'
import { withTenant } from '../with-tenant.ts'

/** Who belongs to the agency, by their addresses: for its members at AAL2. Whom it waits for: for its owners. */
export const members: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  parseQuery(visit.url, z.strictObject({}))
  if (session.aal !== 'aal2') throw new Refusal('aal2_required')
  const at = new Date(visit.now)
  const people = await withTenant(request, session, visit, async (tenancy) => ({
    members: await listPeople(tenancy),
    invitations: await pendingInvitations(tenancy, at),
    resets: await openResets(tenancy, at),
  }))
  return answer(MembersResponse, people)
}
