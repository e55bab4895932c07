import { SessionId, UserId } from 'domain/contracts/ids.ts'
import { createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { z } from 'zod'
import type { Environment } from './environment.ts'
import { Refused } from './errors.ts'

/** Claims of a Supabase Auth access token that a decision may rest on. `amr` times are Unix seconds. */
const UserClaims = z.object({
  sub: UserId,
  session_id: SessionId,
  aal: z.enum(['aal1', 'aal2']),
  amr: z.array(z.object({ method: z.string(), timestamp: z.int() })).max(64),
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

const MAX_TOKEN_LENGTH = 8192
export const FRESH_SECONDS = 300
export const AHEAD_SECONDS = 30

export function createUserVerifier(
  environment: Environment<'AUTH_ISSUER' | 'AUTH_JWKS_URL'>,
  keys: JWTVerifyGetKey = createRemoteJWKSet(new URL(environment.AUTH_JWKS_URL), { timeoutDuration: 5000 }),
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

/** Asymmetric algorithms alone, whatever the header says: the public half of a key must never serve as an HMAC secret. */
async function verify(jwt: string, keys: JWTVerifyGetKey, issuer: string): Promise<unknown> {
  try {
    const { payload } = await jwtVerify(jwt, keys, {
      issuer,
      audience: 'authenticated',
      algorithms: ['ES256', 'RS256', 'EdDSA', 'Ed25519'],
      requiredClaims: ['exp', 'sub'],
    })
    return payload
  } catch (error) {
    if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout))
      throw new Refused('user_token_invalid')
    throw new Refused('store_unreachable')
  }
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
