import { z } from 'zod'
import { DeadLetterResponse, DeadLettersResponse } from '../../../domain/contracts/api.ts'
import { JobId } from '../../../domain/contracts/ids.ts'
import { findDeadLetter, listDeadLetters } from '../queries/dead-letters.ts'
import { Refusal } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler, parseId, parseQuery } from '../visit.ts'
import { withTenant } from '../with-tenant.ts'

/** A2: who replayed what is of the kind that the audit log tells, and so for members at AAL2. */
export const deadLetters: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  parseQuery(visit.url, z.strictObject({}))
  if (session.aal !== 'aal2') throw new Refusal('aal2_required')
  return answer(DeadLettersResponse, await withTenant(request, session, visit, listDeadLetters))
}

export const deadLetter: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  if (session.aal !== 'aal2') throw new Refusal('aal2_required')
  const id = parseId(request.params.id, JobId)
  const line = await withTenant(request, session, visit, (tenancy) => findDeadLetter(tenancy, id))
  if (line === undefined) throw new Refusal('not_found')
  return answer(DeadLetterResponse, { dead_letter: line })
}
