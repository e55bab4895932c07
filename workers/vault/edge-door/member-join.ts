import { fromBase64Url } from '../../../domain/bytes.ts'
import type { AuditRowId } from '../../../domain/contracts/ids.ts'
import { TenantId } from '../../../domain/contracts/ids.ts'
import { failure, success } from '../../../domain/result.ts'
import { appendEvent, newRowId } from '../audit-append.ts'
import { reach } from '../call.ts'
import { edgeRefusal, type Operation } from './operation.ts'

/** L1 for somebody who is no member yet: an invitation that stands is what lets them leave a row in this tenant's log. */
export const memberJoin: Operation<'member-join'> = async (visit, { token_hash }) => {
  const hash = fromBase64Url(token_hash)
  if (!hash.ok) return failure('invitation_invalid')
  const rows = await reach(
    'store_unreachable',
    () => visit.sql<{ id: string; tenant_id: string }[]>`
      select id, tenant_id from flarewatch.invitations
      where token_hash = ${hash.value} and accepted_at is null and expires_at > ${new Date(visit.at)}`,
  )
  if (!rows.ok) return rows
  const [invitation] = rows.value
  if (invitation === undefined) return failure('invitation_invalid')
  const tenantId = TenantId.parse(invitation.tenant_id)
  const intentRow: AuditRowId = newRowId()
  const event = {
    tenantId,
    actor: `user:${visit.user.userId}`,
    action: 'member.join',
    target: `invitation:${invitation.id}`,
    detail: {},
  } as const
  const begun = await appendEvent(visit, event, intentRow)
  return begun.ok ? success({ tenant_id: tenantId, intent_row: intentRow }) : failure(edgeRefusal(begun.code))
}
