import { fromBase64Url } from '../../../domain/bytes.ts'
import { RECOVERY_ACTIONS } from '../../../domain/contracts/acts.ts'
import { TenantId } from '../../../domain/contracts/ids.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { appendEvent, newRowId } from '../audit-append.ts'
import { reach } from '../call.ts'
import { claimFreshness } from '../freshness.ts'
import { type EdgeRefusal, type EdgeVisit, edgeRefusal, type Operation, type RequestOf } from './operation.ts'

/** L1 for what a person does about their own second factor: a row in every agency that they can act in. */
export const recoveryBegin: Operation<'recovery-begin'> = async (visit, request) => {
  const entitled = await requireEntitled(visit, request)
  if (!entitled.ok) return entitled
  const tenants = await tenantsOf(visit)
  if (!tenants.ok) return tenants
  const intents = []
  for (const tenantId of tenants.value) {
    const intentRow = newRowId()
    const event = {
      tenantId,
      actor: `user:${visit.user.userId}`,
      action: request.act === 'codes' ? 'recovery_codes.make' : RECOVERY_ACTIONS[request.act],
      target: `member:${visit.user.userId}`,
      detail: {},
    } as const
    const begun = await appendEvent(visit, event, intentRow)
    if (!begun.ok) return failure(edgeRefusal(begun.code))
    intents.push({ tenant_id: tenantId, intent_row: intentRow })
  }
  return success({ intents })
}

function requireEntitled(visit: EdgeVisit, request: RequestOf<'recovery-begin'>): Promise<Result<null, EdgeRefusal>> {
  switch (request.act) {
    case 'codes':
      return requireFresh(visit)
    case 'redeem':
      return requireStandingCode(visit, request)
    case 'cancel':
    case 'finish':
      return requireOpenReset(visit, request.act)
  }
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

/** As with codes: who has no reset open, or one that is not due, leaves no row by asking to finish it. */
async function requireOpenReset(
  { sql, user, at }: EdgeVisit,
  act: 'cancel' | 'finish',
): Promise<Result<null, EdgeRefusal>> {
  const rows = await reach(
    'store_unreachable',
    () => sql<{ due_at: Date }[]>`
      select due_at from flarewatch.member_resets where user_id = ${user.userId} and expires_at > ${new Date(at)}`,
  )
  if (!rows.ok) return rows
  const [reset] = rows.value
  if (reset === undefined) return failure('member_reset_unknown')
  return act === 'finish' && reset.due_at.getTime() > at ? failure('member_reset_not_due') : success(null)
}

async function tenantsOf({ sql, user }: EdgeVisit): Promise<Result<TenantId[], EdgeRefusal>> {
  const rows = await reach(
    'store_unreachable',
    () => sql<{ tenant_id: string }[]>`
      select m.tenant_id from flarewatch.members m join flarewatch.tenants t on t.id = m.tenant_id
      where m.user_id = ${user.userId} and t.state = 'active' order by m.tenant_id`,
  )
  return rows.ok ? success(rows.value.map(({ tenant_id }) => TenantId.parse(tenant_id))) : rows
}
