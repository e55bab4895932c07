import { failure, success } from '../../../domain/result.ts'
import { appendEvent, newRowId } from '../audit-append.ts'
import { claimFreshness } from '../freshness.ts'
import { edgeRefusal, type Operation, requireRoleFor } from './operation.ts'

const ACTION = 'console.query'

/** A3, L1: reading by SQL takes freshness and no token, since it changes nothing; the row is there before the statement runs. */
export const consoleBegin: Operation<'console-begin'> = async (visit, request) => {
  const { tenant_id, statement, statement_sha256, statement_bytes } = request
  const member = await requireRoleFor(visit, tenant_id, ACTION)
  if (!member.ok) return member
  const fresh = await claimFreshness(visit, visit.user)
  if (!fresh.ok) return fresh
  const intentRow = newRowId()
  const event = {
    tenantId: tenant_id,
    actor: `user:${visit.user.userId}`,
    action: ACTION,
    target: `tenant:${tenant_id}`,
    detail: {
      ...(statement === null ? {} : { statement }),
      statement_sha256,
      statement_bytes: String(statement_bytes),
    },
  } as const
  const begun = await appendEvent(visit, event, intentRow)
  return begun.ok ? success({ intent_row: intentRow }) : failure(edgeRefusal(begun.code))
}
