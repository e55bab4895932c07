import { importJWK, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import type { SigningKey } from '../keys.ts'

export const ACCESS_TOKEN_SECONDS = 3600
const AUDIENCE = 'authenticated'
const ALGORITHM = 'ES256'
/** Skew between this process and itself is none; a client may hold a token a moment longer than it should. */
const CLOCK_TOLERANCE_SECONDS = 5

const Bearer = z.object({ sub: z.uuid(), session_id: z.uuid(), role: z.literal('authenticated') })
export type Bearer = z.infer<typeof Bearer> & { readonly claims: JWTPayload }

export type AccessTokens = {
  /** `claims` without issuer, audience and times, which are added here. */
  readonly sign: (claims: JWTPayload) => Promise<{ token: string; expiresAt: number }>
  readonly verify: (token: string) => Promise<Bearer | undefined>
  readonly jwks: { readonly keys: readonly Record<string, unknown>[] }
}

/** ES256 outwards, as hosted projects sign: auth-js verifies only asymmetric tokens by itself, and JWKS hold no HMAC secret. */
export async function accessTokens(key: SigningKey, issuer: string, now: () => number): Promise<AccessTokens> {
  const { d: _, ...publicKey } = key
  const [signer, verifier] = await Promise.all([importJWK(key, ALGORITHM), importJWK(publicKey, ALGORITHM)])
  return {
    jwks: { keys: [{ ...publicKey, alg: ALGORITHM, use: 'sig', key_ops: ['verify'], ext: true }] },
    sign: async (claims) => {
      const issuedAt = Math.floor(now() / 1000)
      const expiresAt = issuedAt + ACCESS_TOKEN_SECONDS
      const token = await new SignJWT(claims)
        .setProtectedHeader({ alg: ALGORITHM, kid: key.kid, typ: 'JWT' })
        .setIssuer(issuer)
        .setAudience(AUDIENCE)
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .sign(signer)
      return { token, expiresAt }
    },
    verify: async (token) => {
      const verified = await jwtVerify(token, verifier, {
        algorithms: [ALGORITHM],
        issuer,
        audience: AUDIENCE,
        requiredClaims: ['exp'],
        currentDate: new Date(now()),
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
      }).catch(() => undefined)
      const bearer = Bearer.safeParse(verified?.payload)
      return bearer.success && verified !== undefined ? { ...bearer.data, claims: verified.payload } : undefined
    },
  }
}
