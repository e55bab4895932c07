import { z } from 'zod'
import { SessionsEnded, SessionsResponse, SessionsToEnd } from '../../../domain/contracts/api.ts'
import type { SessionEnding } from '../../../domain/contracts/gateway-door.ts'
import { SessionId } from '../../../domain/contracts/ids.ts'
import { ownSessions } from '../queries/sessions.ts'
import { Refusal } from '../refusal.ts'
import { requireSession, type Session } from '../session.ts'
import { vaultsRefusal } from '../vaults-refusal.ts'
import { answer, type Handler, parseId, parseQuery, type Visit } from '../visit.ts'
import { withUser } from '../with-tenant.ts'

/** A person's own sessions. They name devices and addresses, so that they are shown at AAL2. */
export const sessions: Handler = async (request, visit) => {
  const session = await requireAal2(request, visit)
  parseQuery(visit.url, z.strictObject({}))
  const lines = await withUser(session, visit, null, async (sql, { totpEnrolled }) => {
    if (!totpEnrolled) throw new Refusal('totp_enrolment_required')
    return ownSessions(sql, session.sessionId)
  })
  return answer(SessionsResponse, { sessions: lines })
}

export const endSession: Handler = async (request, visit) => {
  const session = await requireEnrolled(request, visit)
  parseQuery(visit.url, z.strictObject({}))
  return end(session, visit, { which: 'one', sessionId: parseId(request.params.id, SessionId) })
}

export const endSessions: Handler = async (request, visit) => {
  const session = await requireEnrolled(request, visit)
  const { which } = parseQuery(visit.url, z.strictObject({ which: SessionsToEnd }))
  return end(session, visit, { which })
}

async function requireAal2(request: Request, visit: Visit): Promise<Session> {
  const session = await requireSession(request, visit)
  if (session.aal !== 'aal2') throw new Refusal('aal2_required')
  return session
}

/** In a session that is live, before what it asks for is looked at. */
async function requireEnrolled(request: Request, visit: Visit): Promise<Session> {
  const session = await requireAal2(request, visit)
  await withUser(session, visit, null, async (_, { totpEnrolled }) => {
    if (!totpEnrolled) throw new Refusal('totp_enrolment_required')
  })
  return session
}

/** The vault's act: it judges the token for itself, puts the ending on record, and then does it. */
async function end(session: Session, { bindings }: Visit, ending: SessionEnding): Promise<Response> {
  const ended = await bindings.VAULT.endSessions(session.jwt, ending).catch(() => {
    throw new Refusal('vault_unreachable')
  })
  if (!ended.ok) throw new Refusal(vaultsRefusal(ended.code))
  return answer(SessionsEnded, { ended: ended.ended })
}
