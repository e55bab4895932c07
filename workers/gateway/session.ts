import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { z } from 'zod'
import { SessionId, UserId } from '../../domain/contracts/ids.ts'
import { Refusal } from './refusal.ts'
import type { Visit } from './visit.ts'

/** What the gateway takes from a user's access token, once its signature holds. */
const Claims = z.object({
  sub: UserId,
  role: z.literal('authenticated'),
  aal: z.enum(['aal1', 'aal2']),
  session_id: SessionId,
  email: z.string().default(''),
})
export type Session = {
  readonly userId: UserId
  readonly sessionId: SessionId
  readonly aal: 'aal1' | 'aal2'
  readonly email: string
  readonly jwt: string
}

/** Supabase Auth signs with one of these; a shared secret (HS256) would let everyone who verifies also mint. */
const ALGORITHMS = ['ES256', 'RS256']
const AUDIENCE = 'authenticated'
const MAX_TOKEN_LENGTH = 8192
const CLOCK_TOLERANCE_SECONDS = 5

/** The key set outlives requests, so that a request costs no look-up; jose refetches at most every 30 s on an unknown key. */
const keySets = new Map<string, ReturnType<typeof createRemoteJWKSet>>()

export async function requireSession(request: Request, visit: Visit): Promise<Session> {
  const jwt = bearerToken(request)
  const claims = Claims.safeParse(await verifiedPayload(jwt, visit))
  if (!claims.success) throw unauthenticated()
  const { sub, session_id, aal, email } = claims.data
  return { userId: sub, sessionId: session_id, aal, email, jwt }
}

function bearerToken(request: Request): string {
  const header = request.headers.get('authorization') ?? ''
  const [, token] = /^Bearer ([\w.-]+)$/i.exec(header) ?? []
  if (token === undefined || token.length > MAX_TOKEN_LENGTH) throw unauthenticated()
  return token
}

async function verifiedPayload(jwt: string, { bindings, now }: Visit): Promise<unknown> {
  try {
    const { payload } = await jwtVerify(jwt, keySet(bindings.AUTH_JWKS_URL), {
      algorithms: ALGORITHMS,
      issuer: bindings.AUTH_ISSUER,
      audience: AUDIENCE,
      requiredClaims: ['exp'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(now),
    })
    return payload
  } catch (error) {
    throw isTokensFault(error) ? unauthenticated() : new Refusal('store_unreachable')
  }
}

/** A key set that cannot be fetched is our outage: a 401 would sign the user out for it. */
function isTokensFault(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return false
  return error instanceof errors.JOSEError && error.code !== 'ERR_JOSE_GENERIC'
}

function keySet(url: string): ReturnType<typeof createRemoteJWKSet> {
  const known = keySets.get(url)
  if (known !== undefined) return known
  const created = createRemoteJWKSet(new URL(url))
  keySets.set(url, created)
  return created
}

function unauthenticated(): Refusal {
  return new Refusal('unauthenticated', { 'www-authenticate': 'Bearer' })
}
