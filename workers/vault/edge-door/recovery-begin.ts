import { fromBase64Url } from '../../../domain/bytes.ts'
import { RECOVERY_ACTION } from '../../../domain/contracts/acts.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { appendEvent, newRowId } from '../audit-append.ts'
import { reach } from '../call.ts'
import { claimFreshness } from '../freshness.ts'
import { activeTenantsOf } from '../members.ts'
import { type EdgeRefusal, type EdgeVisit, edgeRefusal, type Operation, type RequestOf } from './operation.ts'

/** L1 for what a person does about their own second factor: a row in every agency that they can act in. */
export const recoveryBegin: Operation<'recovery-begin'> = async (visit, request) => {
  const entitled = request.act === 'codes' ? await requireFresh(visit) : await requireStandingCode(visit, request)
  if (!entitled.ok) return entitled
  const tenants = await activeTenantsOf(visit, visit.user.userId)
  if (!tenants.ok) return tenants
  const intents = []
  for (const tenantId of tenants.value) {
    const intentRow = newRowId()
    const event = {
      tenantId,
      actor: `user:${visit.user.userId}`,
      action: request.act === 'codes' ? 'recovery_codes.make' : RECOVERY_ACTION,
      target: `member:${visit.user.userId}`,
      detail: {},
    } as const
    const begun = await appendEvent(visit, event, intentRow)
    if (!begun.ok) return failure(edgeRefusal(begun.code))
    intents.push({ tenant_id: tenantId, intent_row: intentRow })
  }
  return success({ intents })
}

async function requireFresh(visit: EdgeVisit): Promise<Result<null, EdgeRefusal>> {
  return visit.user.aal === 'aal2' ? claimFreshness(visit, visit.user) : failure('aal2_required')
}

/** The vault judges the code for itself: a password alone leaves no row in anybody's log. */
async function requireStandingCode(
  { sql, user }: EdgeVisit,
  { code_hash }: Extract<RequestOf<'recovery-begin'>, { act: 'redeem' }>,
): Promise<Result<null, EdgeRefusal>> {
  const hash = fromBase64Url(code_hash)
  if (!hash.ok) return failure('recovery_code_invalid')
  const rows = await reach(
    'store_unreachable',
    () => sql`
      select user_id from flarewatch.recovery_codes
      where user_id = ${user.userId} and code_hash = ${hash.value} and used_at is null`,
  )
  if (!rows.ok) return rows
  return rows.value.length === 1 ? success(null) : failure('recovery_code_invalid')
}
