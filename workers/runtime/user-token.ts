import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { z } from 'zod'
import { SessionId, UserId } from '../../domain/contracts/ids.ts'
import { failure, type Result, success } from '../../domain/result.ts'

export type VerifiedUser = {
  readonly userId: UserId
  readonly sessionId: SessionId
  readonly email: string
  readonly aal: 'aal1' | 'aal2'
  /** When the newest TOTP was given, in Unix milliseconds; null when none was. */
  readonly totpAt: number | null
}

export type AuthAddresses = { readonly AUTH_ISSUER: string; readonly AUTH_JWKS_URL: string }

/** Supabase Auth's asymmetric algorithms. A shared secret (HS256) would let every verifier mint. */
const ALGORITHMS = ['ES256', 'RS256']
const AUDIENCE = 'authenticated'
const MAX_TOKEN_LENGTH = 8192
const CLOCK_TOLERANCE_SECONDS = 5
const JWKS_TIMEOUT_MS = 5_000

const Claims = z.object({
  sub: UserId,
  session_id: SessionId,
  role: z.literal(AUDIENCE),
  email: z.string().default(''),
  aal: z.enum(['aal1', 'aal2']),
  amr: z
    .array(z.object({ method: z.string(), timestamp: z.number().int().nonnegative() }))
    .max(64)
    .default([]),
})

/** The key set outlives requests, so that a request costs no look-up; jose refetches at most every 30 s on an unknown key. */
const keySets = new Map<string, ReturnType<typeof createRemoteJWKSet>>()

/** Verifies a user's access token by Supabase Auth's published keys, at the given time (Unix milliseconds). */
export async function verifyUserToken(
  { AUTH_ISSUER, AUTH_JWKS_URL }: AuthAddresses,
  jwt: string,
  at: number,
): Promise<Result<VerifiedUser, 'user_token_invalid' | 'keys_unreachable'>> {
  if (jwt.length > MAX_TOKEN_LENGTH) return failure('user_token_invalid')
  try {
    const { payload } = await jwtVerify(jwt, keySet(AUTH_JWKS_URL), {
      algorithms: ALGORITHMS,
      issuer: AUTH_ISSUER,
      audience: AUDIENCE,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(at),
    })
    const claims = Claims.safeParse(payload)
    if (!claims.success) return failure('user_token_invalid')
    const { sub, session_id, email, aal, amr } = claims.data
    return success({ userId: sub, sessionId: session_id, email, aal, totpAt: newestTotp(amr) })
  } catch (error) {
    return failure(isTokensFault(error) ? 'user_token_invalid' : 'keys_unreachable')
  }
}

function newestTotp(amr: z.infer<typeof Claims>['amr']): number | null {
  const times = amr.filter(({ method }) => method === 'totp').map(({ timestamp }) => timestamp * 1000)
  return times.length === 0 ? null : Math.max(...times)
}

/** A key set that cannot be fetched is an outage; calling the token invalid for it would mislead. */
function isTokensFault(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return false
  return error instanceof errors.JOSEError && error.code !== 'ERR_JOSE_GENERIC'
}

function keySet(url: string): ReturnType<typeof createRemoteJWKSet> {
  const known = keySets.get(url)
  if (known !== undefined) return known
  const made = createRemoteJWKSet(new URL(url), { timeoutDuration: JWKS_TIMEOUT_MS })
  keySets.set(url, made)
  return made
}
