import { createLocalJWKSet, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { createUserVerifier, requireFresh, type User, type UserVerifier } from './user.ts'

const ISSUER = 'http://auth.test/auth/v1'
const USER = '7f3b1c1e-7c64-4f1c-8a53-0e1b3c2d4a5f'
const SESSION = '1c9fb0f4-2c8a-4a7e-9a70-6e5b6a0c7d11'
const NOW_SECONDS = Math.floor(Date.now() / 1000)
let verify: UserVerifier
let key: CryptoKey
let publicText: string

beforeAll(async () => {
  const pair = await generateKeyPair('ES256')
  key = pair.privateKey
  const jwk = await exportJWK(pair.publicKey)
  publicText = JSON.stringify(jwk)
  verify = createUserVerifier(
    { AUTH_ISSUER: ISSUER, AUTH_JWKS_URL: `${ISSUER}/jwks` },
    createLocalJWKSet({ keys: [jwk] }),
  )
})

describe("the user's JWT", () => {
  test('tells user, session and the newest TOTP', async () => {
    const amr = [
      { method: 'totp', timestamp: 100 },
      { method: 'password', timestamp: 300 },
      { method: 'totp', timestamp: 200 },
    ]
    expect(await verified({ aal: 'aal2', amr })).toMatchObject({
      id: USER,
      sessionId: SESSION,
      aal: 'aal2',
      totpAt: 200,
    })
  })

  test.each([
    ['another issuer', { iss: 'http://elsewhere.test' }],
    ['another audience', { aud: 'mcp' }],
    ['an expired one', { exp: NOW_SECONDS - 60 }],
    ['another role', { role: 'service_role' }],
    ['no session', { session_id: undefined }],
  ])('%s is refused', async (_, changed) => {
    await expect(verified(changed)).rejects.toMatchObject({ code: 'user_token_invalid' })
  })

  test('T1: one that is signed with the public key as an HMAC secret is refused', async () => {
    const forged = await new SignJWT(claims({}))
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(publicText))
    await expect(verify(withToken(forged))).rejects.toMatchObject({ code: 'user_token_invalid' })
  })

  test('none at all is refused', async () => {
    await expect(verify(new Request('http://functions.test'))).rejects.toMatchObject({ code: 'user_token_invalid' })
  })
})

describe('A3: fresh is a TOTP at most 300 s old and 30 s ahead', () => {
  test.each([
    [1000, undefined],
    [1300, undefined],
    [1301, 'aal2_stale'],
    [970, undefined],
    [969, 'aal2_stale'],
  ])('at %d s: %s', (now, code) => {
    expect(codeOf(() => requireFresh(userWith({ totpAt: 1000 }), now * 1000))).toBe(code)
  })

  test('an aal2 claim without a TOTP is stale, and AAL1 is not asked for its age', () => {
    expect(codeOf(() => requireFresh(userWith({ totpAt: undefined }), 0))).toBe('aal2_stale')
    expect(codeOf(() => requireFresh(userWith({ aal: 'aal1', totpAt: 0 }), 0))).toBe('aal2_required')
  })
})

function claims(changed: JWTPayload): JWTPayload {
  return {
    iss: ISSUER,
    aud: 'authenticated',
    role: 'authenticated',
    sub: USER,
    session_id: SESSION,
    aal: 'aal1',
    amr: [],
    exp: NOW_SECONDS + 600,
    ...changed,
  }
}

async function verified(changed: JWTPayload): Promise<User> {
  return verify(withToken(await new SignJWT(claims(changed)).setProtectedHeader({ alg: 'ES256' }).sign(key)))
}

function withToken(token: string): Request {
  return new Request('http://functions.test', { headers: { authorization: `Bearer ${token}` } })
}

function userWith(changed: Partial<User>): User {
  return {
    id: USER as User['id'],
    sessionId: SESSION as User['sessionId'],
    aal: 'aal2',
    totpAt: 0,
    jwt: '',
    ...changed,
  }
}

function codeOf(act: () => void): unknown {
  try {
    act()
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}
