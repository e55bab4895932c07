import { z } from 'zod'
import { failure, type Result, success } from '../../domain/result.ts'
import { type VerifiedUser, verifyUserToken } from '../runtime/user-token.ts'
import { reach } from './call.ts'
import type { Visit } from './visit.ts'

type TokenRefusal = 'user_token_invalid' | 'store_unreachable'
export type UserRefusal = TokenRefusal | 'session_ended' | 'session_expired'

const State = z.enum(['live', 'ended', 'expired'])

/** The vault believes no Worker about who the user is: it verifies the user's own JWT at every door. */
export async function verifyToken({ bindings, at }: Visit, jwt: string): Promise<Result<VerifiedUser, TokenRefusal>> {
  const user = await verifyUserToken(bindings, jwt, at)
  if (user.ok) return user
  return failure(user.code === 'keys_unreachable' ? 'store_unreachable' : user.code)
}

/** The token, and that its session is live: a token outlives a session that was ended. */
export async function verifyUser(visit: Visit, jwt: string): Promise<Result<VerifiedUser, UserRefusal>> {
  const user = await verifyToken(visit, jwt)
  if (!user.ok) return user
  const { userId, sessionId } = user.value
  const rows = await reach(
    'store_unreachable',
    () => visit.sql`select flarewatch.use_session(${userId}, ${sessionId}, ${new Date(visit.at)}) as state`,
  )
  if (!rows.ok) return rows
  const state = State.parse(rows.value[0]?.state)
  if (state === 'live') return success(user.value)
  return failure(state === 'ended' ? 'session_ended' : 'session_expired')
}
