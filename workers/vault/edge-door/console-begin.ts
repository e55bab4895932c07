import { failure, success } from '../../../domain/result.ts'
import { appendEvent, newRowId } from '../audit-append.ts'
import { claimFreshness } from '../freshness.ts'
import { edgeRefusal, type Operation, type RequestOf, requireRoleFor } from './operation.ts'

export const CONSOLE_ACTION = 'console.query'

/** A3, L1: reading by SQL takes freshness and no token, since it changes nothing; the row is there before the statement runs. */
export const consoleBegin: Operation<'console-begin'> = async (visit, request) => {
  const { tenant_id } = request
  const member = await requireRoleFor(visit, tenant_id, CONSOLE_ACTION)
  if (!member.ok) return member
  const fresh = await claimFreshness(visit, visit.user)
  if (!fresh.ok) return fresh
  const intentRow = newRowId()
  const event = {
    tenantId: tenant_id,
    actor: `user:${visit.user.userId}`,
    action: CONSOLE_ACTION,
    target: `tenant:${tenant_id}`,
    detail: statementDetail(request),
  } as const
  const begun = await appendEvent(visit, event, intentRow)
  return begun.ok ? success({ intent_row: intentRow }) : failure(edgeRefusal(begun.code))
}

/** What the row says of a statement: its text, or of a long one its digest alone. */
export function statementDetail({
  statement,
  statement_sha256,
  statement_bytes,
}: Pick<RequestOf<'console-begin'>, 'statement' | 'statement_sha256' | 'statement_bytes'>) {
  return {
    ...(statement === null ? {} : { statement }),
    statement_sha256,
    statement_bytes: String(statement_bytes),
  }
}
