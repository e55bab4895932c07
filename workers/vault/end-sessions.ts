import { z } from 'zod'
import type { GatewayDoorRefusal, SessionEnding, SessionsEnded } from '../../domain/contracts/gateway-door.ts'
import { SessionId } from '../../domain/contracts/ids.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import type { VerifiedUser } from '../runtime/user-token.ts'
import { type Actor, appendEvent } from './audit-append.ts'
import { reach } from './call.ts'
import { activeTenantsOf } from './members.ts'
import { rpcRefusal } from './rpc-refusal.ts'
import { verifyUser } from './user-token.ts'
import type { Visit } from './visit.ts'

const Ending = z.discriminatedUnion('which', [
  z.strictObject({ which: z.literal('one'), sessionId: SessionId }),
  z.strictObject({ which: z.enum(['others', 'all']) }),
])
const Jwt = z.string().max(8192)

type Refused = Result<never, GatewayDoorRefusal['code']>

/** Ends sessions of the caller's own. A session belongs to no agency, so that each one that the person can act in is told. */
export async function endSessions(
  visit: Visit,
  userJwt: string,
  asked: SessionEnding,
): Promise<SessionsEnded | GatewayDoorRefusal> {
  const ending: SessionEnding = Ending.parse(asked)
  const user = await verifyUser(visit, Jwt.parse(userJwt))
  if (!user.ok) return user
  if (user.value.aal !== 'aal2') return { ok: false, code: 'aal2_required' }
  const known = await requireKnown(visit, user.value, ending)
  if (!known.ok) return known
  const told = await tell(visit, user.value, ending)
  if (!told.ok) return told
  const only = ending.which === 'one' ? ending.sessionId : null
  const except = ending.which === 'others' ? user.value.sessionId : null
  const rows = await reach(
    'store_unreachable',
    () => visit.sql`select flarewatch.end_sessions(${user.value.userId}, ${only}::uuid, ${except}::uuid) as ended`,
  )
  return rows.ok ? { ok: true, ended: z.int().parse(rows.value[0]?.ended) } : rows
}

/** What is not there, or is another person's, leaves no row. */
async function requireKnown(
  { sql, at }: Visit,
  { userId }: VerifiedUser,
  ending: SessionEnding,
): Promise<Refused | Result<null, never>> {
  if (ending.which !== 'one') return success(null)
  const rows = await reach(
    'store_unreachable',
    () => sql`select state from flarewatch.judge_session(${userId}, ${ending.sessionId}, ${new Date(at)})`,
  )
  if (!rows.ok) return rows
  return rows.value[0]?.state === 'ended' ? failure('session_unknown') : success(null)
}

async function tell(
  visit: Visit,
  { userId }: VerifiedUser,
  ending: SessionEnding,
): Promise<Refused | Result<null, never>> {
  const tenants = await activeTenantsOf(visit, userId)
  if (!tenants.ok) return tenants
  const [actor, target]: [Actor, string] = [`user:${userId}`, `member:${userId}`]
  const detail = { which: ending.which, ...(ending.which === 'one' ? { session: ending.sessionId } : {}) }
  for (const tenantId of tenants.value) {
    const noted = await appendEvent(visit, { tenantId, actor, action: 'session.end', target, detail })
    if (!noted.ok) return failure(rpcRefusal(noted.code))
  }
  return success(null)
}
