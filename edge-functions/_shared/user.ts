import { SessionId, UserId } from 'domain/contracts/ids.ts'
import { createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { z } from 'zod'
import type { Environment } from './environment.ts'
import { Refused } from './errors.ts'

const AUDIENCE = 'authenticated'
/** Supabase Auth's asymmetric algorithms alone, whatever the header says: a public key must never serve as an HMAC secret. */
const ALGORITHMS = ['ES256', 'RS256']
const MAX_TOKEN_LENGTH = 8192
const CLOCK_TOLERANCE_SECONDS = 5
const JWKS_TIMEOUT_MS = 5000
export const FRESH_SECONDS = 300
export const AHEAD_SECONDS = 30

/** Claims of a Supabase Auth access token that a decision may rest on. `amr` times are Unix seconds. */
const UserClaims = z.object({
  sub: UserId,
  role: z.literal(AUDIENCE),
  session_id: SessionId,
  aal: z.enum(['aal1', 'aal2']),
  amr: z
    .array(z.object({ method: z.string(), timestamp: z.int() }))
    .max(64)
    .default([]),
})

export type User = {
  readonly id: UserId
  readonly sessionId: SessionId
  readonly aal: 'aal1' | 'aal2'
  /** Unix seconds of the newest `amr` entry of a TOTP: an `aal2` claim itself never decays within a session. */
  readonly totpAt: number | undefined
  /** Forwarded to the vault, which judges it again by itself. */
  readonly jwt: string
}
export type UserVerifier = (request: Request) => Promise<User>

export function createUserVerifier(
  environment: Environment<'AUTH_ISSUER' | 'AUTH_JWKS_URL'>,
  keys: JWTVerifyGetKey = createRemoteJWKSet(new URL(environment.AUTH_JWKS_URL), { timeoutDuration: JWKS_TIMEOUT_MS }),
): UserVerifier {
  return async (request) => {
    const jwt = /^Bearer ([\w.-]+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
    if (jwt === undefined || jwt.length > MAX_TOKEN_LENGTH) throw new Refused('user_token_invalid')
    const payload = await verify(jwt, keys, environment.AUTH_ISSUER)
    const claims = UserClaims.safeParse(payload)
    if (!claims.success) throw new Refused('user_token_invalid')
    const { sub, session_id, aal, amr } = claims.data
    const totps = amr.filter(({ method }) => method === 'totp').map(({ timestamp }) => timestamp)
    return { id: sub, sessionId: session_id, aal, totpAt: totps.length === 0 ? undefined : Math.max(...totps), jwt }
  }
}

async function verify(jwt: string, keys: JWTVerifyGetKey, issuer: string): Promise<unknown> {
  try {
    const { payload } = await jwtVerify(jwt, keys, {
      issuer,
      audience: AUDIENCE,
      algorithms: ALGORITHMS,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    })
    return payload
  } catch (error) {
    throw new Refused(isTokensFault(error) ? 'user_token_invalid' : 'store_unreachable')
  }
}

/** A key set that cannot be fetched is an outage, and no fault of the token. */
function isTokensFault(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return false
  return error instanceof errors.JOSEError && error.code !== 'ERR_JOSE_GENERIC'
}

/** For a privileged function that is called before the vault has judged the session: it judges it itself. */
export function inSession(user: User, now: number) {
  return { user_id: user.id, session_id: user.sessionId, at: new Date(now).toISOString() }
}

export function requireAal2(user: User): void {
  if (user.aal !== 'aal2') throw new Refused('aal2_required')
}

/** A3. `now` is Unix milliseconds. The vault judges the same and also who may claim freshness; this spares the provider a call. */
export function requireFresh(user: User, now: number): void {
  requireAal2(user)
  const age = user.totpAt === undefined ? Number.POSITIVE_INFINITY : now / 1000 - user.totpAt
  if (age > FRESH_SECONDS || age < -AHEAD_SECONDS) throw new Refused('aal2_stale')
}
