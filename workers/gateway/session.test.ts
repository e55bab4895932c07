import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Refusal } from './refusal.ts'
import { requireSession } from './session.ts'
import type { Visit } from './visit.ts'

const ISSUER = 'https://auth.example/auth/v1'
const NOW = Date.UTC(2026, 10, 24, 12)
const USER = '0b9f8a52-5f0e-4f0a-9d65-7f8f2f6f3a11'
const SESSION = '4e0c7cb8-2f6d-4f6f-8f0a-3a1f5b7a9c22'
const CLAIMS = { sub: USER, role: 'authenticated', aal: 'aal1', session_id: SESSION, email: 'a@b.example' }

const signing = await generateKeyPair('ES256')
const other = await generateKeyPair('ES256')
const rsa = await generateKeyPair('RS256')
let server: Server
let jwksUrl = ''

beforeAll(async () => {
  const keys = [
    { ...(await exportJWK(signing.publicKey)), kid: 'ec', alg: 'ES256' },
    { ...(await exportJWK(rsa.publicKey)), kid: 'rsa', alg: 'RS256' },
    // A shared secret that someone put into the key set by mistake must not become a way in.
    { kty: 'oct', kid: 'shared', k: btoa('a shared secret of thirty-two byt').replace(/=+$/, '') },
  ]
  server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`
})
afterAll(() => server.close())

describe('a session', () => {
  it('is read from an access token that the sign-in service signed', async () => {
    const session = await requireSession(bearing(await token({})), visit())
    expect(session).toMatchObject({ userId: USER, sessionId: SESSION, aal: 'aal1', email: 'a@b.example' })
    expect((await requireSession(bearing(await token({ alg: 'RS256' })), visit())).userId).toBe(USER)
  })

  it.each<[string, () => Promise<string> | string]>([
    [
      'has no signature (alg none)',
      () =>
        new UnsecuredJWT(CLAIMS)
          .setIssuer(ISSUER)
          .setAudience('authenticated')
          .setExpirationTime(NOW / 1000 + 60)
          .encode(),
    ],
    ['is signed with a shared secret', () => token({ alg: 'HS256', kid: 'shared' })],
    ['is signed with the public key as a shared secret', () => hs256WithPublicKey()],
    ['is signed by another key under a known name', () => token({ key: other.privateKey })],
    ['names a key that is not published', () => token({ kid: 'unknown' })],
    ['is of another issuer', () => token({ iss: 'https://elsewhere.example/auth/v1' })],
    ['is for another audience', () => token({ aud: 'mcp' })],
    ['has expired', () => token({ exp: NOW / 1000 - 6 })],
    ['never expires', () => token({ exp: null })],
    ['is not valid yet', () => token({ nbf: NOW / 1000 + 60 })],
    ['is of the anonymous role', () => token({ claims: { role: 'anon' } })],
    ['is of the service role', () => token({ claims: { role: 'service_role' } })],
    ['names no user', () => token({ claims: { sub: 'root' } })],
    ['claims an assurance level that does not exist', () => token({ claims: { aal: 'aal3' } })],
    ['is longer than any token of ours', () => token({ claims: { padding: 'x'.repeat(9000) } })],
    ['is no token at all', () => 'a.b.c'],
  ])('is refused when the token %s', async (_what, make) => {
    await expect(requireSession(bearing(await make()), visit())).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('is refused without a bearer token, also when one stands in the query', async () => {
    const request = new Request(`https://flarewatch.example/api/me?access_token=${await token({})}`)
    await expect(requireSession(request, visit())).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('is not refused but undecided while the key set cannot be fetched', async () => {
    const unreachable = visit('http://127.0.0.1:1/jwks.json')
    const decided = requireSession(bearing(await token({})), unreachable)
    await expect(decided).rejects.toThrow(new Refusal('store_unreachable'))
  })
})

type Wish = {
  readonly alg?: 'ES256' | 'RS256' | 'HS256'
  readonly kid?: string
  readonly key?: CryptoKey
  readonly iss?: string
  readonly aud?: string
  readonly exp?: number | null
  readonly nbf?: number
  readonly claims?: JWTPayload
}

function token({
  alg = 'ES256',
  kid,
  key,
  iss = ISSUER,
  aud = 'authenticated',
  exp,
  nbf,
  claims,
}: Wish): Promise<string> {
  const known = {
    ES256: signing.privateKey,
    RS256: rsa.privateKey,
    HS256: new TextEncoder().encode('a shared secret of thirty-two byt'),
  }
  const jwt = new SignJWT({ ...CLAIMS, ...claims })
    .setProtectedHeader({ alg, kid: kid ?? (alg === 'RS256' ? 'rsa' : 'ec') })
    .setIssuer(iss)
    .setAudience(aud)
  if (exp !== null) jwt.setExpirationTime(exp ?? NOW / 1000 + 60)
  if (nbf !== undefined) jwt.setNotBefore(nbf)
  return jwt.sign(key ?? known[alg])
}

/** The confusion of RFC 8725 section 2.1: the verifier's public key taken for an HMAC secret. */
async function hs256WithPublicKey(): Promise<string> {
  const secret = new TextEncoder().encode(JSON.stringify(await exportJWK(signing.publicKey)))
  const jwt = new SignJWT(CLAIMS).setProtectedHeader({ alg: 'HS256', kid: 'ec' })
  return jwt
    .setIssuer(ISSUER)
    .setAudience('authenticated')
    .setExpirationTime(NOW / 1000 + 60)
    .sign(secret)
}

function bearing(jwt: string): Request {
  return new Request('https://flarewatch.example/api/me', { headers: { authorization: `Bearer ${jwt}` } })
}

/** Only what the judgement of a token looks at. */
function visit(jwks = jwksUrl): Visit {
  const bindings = { AUTH_ISSUER: ISSUER, AUTH_JWKS_URL: jwks } as Visit['bindings']
  const context = { waitUntil: () => {} }
  return { bindings, requestId: 'test', url: new URL('https://flarewatch.example/api/me'), now: NOW, context }
}
