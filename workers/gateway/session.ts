import { type VerifiedUser, verifyUserToken } from '../runtime/user-token.ts'
import { Refusal } from './refusal.ts'
import type { Visit } from './visit.ts'

/** Who asks, and the token itself: the vault verifies it again for what it alone may unseal. */
export type Session = VerifiedUser & { readonly jwt: string }

export async function requireSession(request: Request, { bindings, now }: Visit): Promise<Session> {
  const jwt = bearerToken(request)
  const user = await verifyUserToken(bindings, jwt, now)
  if (user.ok) return { ...user.value, jwt }
  // Keys that cannot be fetched are our outage: a 401 would sign the user out for it.
  throw user.code === 'keys_unreachable' ? new Refusal('store_unreachable') : unauthenticated()
}

function bearerToken(request: Request): string {
  const [, token] = /^Bearer ([\w.-]+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  if (token === undefined) throw unauthenticated()
  return token
}

function unauthenticated(): Refusal {
  return new Refusal('unauthenticated', { 'www-authenticate': 'Bearer' })
}
