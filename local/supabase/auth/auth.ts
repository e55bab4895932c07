import { decodeJwt, type JWTPayload } from 'jose'
import type postgres from 'postgres'
import { z } from 'zod'
import { AuthRefused, authErrorResponse } from './errors.ts'
import { challenge, deleteFactor, enrol, type FactorParts, listFactors, unenrol, verify } from './factors.ts'
import { askHook } from './hooks.ts'
import type { Lite } from './lite.ts'
import {
  assuranceOf,
  beginSession,
  currentRefreshToken,
  endSession,
  findSession,
  moveSession,
  type Origin,
  recordAuthentication,
  type StoredSession,
} from './sessions.ts'
import { ACCESS_TOKEN_SECONDS, type AccessTokens, type Bearer } from './tokens.ts'

/**
 * The border of `/auth/v1`: lite behind it, the MFA endpoints beside it. Tokens that go out are ours, tokens that come in are
 * verified here; only the listed routes exist.
 */
export type AuthParts = FactorParts & {
  readonly lite: Lite
  readonly tokens: AccessTokens
  readonly issuer: string
  readonly onError: (error: unknown) => void
}
export type AuthRequest = {
  readonly method: string
  /** Below `/auth/v1`, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Headers
  /** Whom the connection is from. */
  readonly ip: string | null
  /** Whom the API key stands for: the admin's endpoints are service_role's. */
  readonly keyRole: 'anon' | 'service_role'
  readonly body: string
}

const WellKnown = '/.well-known/'
const FACTOR_PATH = /^\/factors\/([0-9a-f-]{36})(?:\/(challenge|verify))?$/
const ADMIN_FACTORS_PATH = /^\/admin\/users\/([0-9a-f-]{36})\/factors(?:\/([0-9a-f-]{36}))?$/
const LOGOUT_SCOPES = ['global', 'local', 'others']

/** What lite answers with a session; everything else in it is passed on. */
const InnerSession = z.looseObject({
  access_token: z.string(),
  refresh_token: z.string(),
  user: z.looseObject({ id: z.uuid(), email: z.string(), phone: z.string() }),
})
const InnerClaims = z.object({ session_id: z.uuid() })
const Credentials = z.looseObject({ email: z.string() })
const WrongPassword = z.looseObject({ error_code: z.literal('invalid_credentials') })
const UserChange = z.looseObject({
  password: z.unknown().optional(),
  email: z.unknown().optional(),
  phone: z.unknown().optional(),
})

/** Public: a relying party that asks has no API key. */
export function isWellKnown(path: string): boolean {
  return path.startsWith(WellKnown)
}

export async function handleAuth(parts: AuthParts, request: AuthRequest): Promise<Response> {
  try {
    return await route(parts, request)
  } catch (error) {
    if (!(error instanceof AuthRefused)) parts.onError(error)
    return authErrorResponse(error)
  }
}

async function route(parts: AuthParts, request: AuthRequest): Promise<Response> {
  const { method, path, body } = request
  if (isWellKnown(path)) return wellKnown(parts, request)
  if (path.startsWith('/admin/')) return await adminFactors(parts, request)
  switch (`${method} ${path}`) {
    case 'GET /settings':
    case 'GET /health':
      return parts.lite.fetch(path, { method })
    case 'POST /signup':
      return await issue(parts, request, await parts.lite.fetch(path, { method, body }), 'password')
    case 'POST /token':
      return await token(parts, request)
    case 'GET /user':
      return await user(parts, request)
    case 'PUT /user':
      return await changeUser(parts, request)
    case 'POST /logout':
      return await logout(parts, request)
    case 'POST /factors': {
      const { session, bearer } = await authenticate(parts, request)
      const email = typeof bearer.claims.email === 'string' ? bearer.claims.email : bearer.sub
      return Response.json(await enrol(parts, session, email, parseBody(body)))
    }
    default:
      return await factor(parts, request)
  }
}

function wellKnown({ tokens, issuer }: AuthParts, { method, path }: AuthRequest): Response {
  const headers = { 'cache-control': 'public, max-age=600' }
  if (method === 'GET' && path === '/.well-known/jwks.json') return Response.json(tokens.jwks, { headers })
  if (method === 'GET' && path === '/.well-known/openid-configuration') {
    const jwks_uri = `${issuer}/.well-known/jwks.json`
    return Response.json({ issuer, jwks_uri, id_token_signing_alg_values_supported: ['ES256'] }, { headers })
  }
  throw new AuthRefused(404, 'not_found', 'Not found')
}

async function token(parts: AuthParts, request: AuthRequest): Promise<Response> {
  const { query, body } = request
  const grant = query.get('grant_type')
  if (grant !== 'password' && grant !== 'refresh_token') {
    throw new AuthRefused(400, 'unsupported_grant_type', 'unsupported_grant_type')
  }
  const inner = await parts.lite.fetch(`/token?grant_type=${grant}`, { method: 'POST', body })
  if (grant === 'password') await requireAdmitted(parts, body, inner.clone())
  return await issue(parts, request, inner, grant === 'password' ? 'password' : undefined)
}

/** lite has judged the password, and opened a session for a right one; the hook says whether it may count. */
async function requireAdmitted(parts: AuthParts, body: string, inner: Response): Promise<void> {
  const { sql } = parts
  const answered = await inner.json()
  const session = inner.ok ? InnerSession.parse(answered) : undefined
  const userId = session?.user.id ?? (await whosePasswordWasWrong(sql, body, answered))
  if (userId === undefined) return
  const attempt = { user_id: userId, valid: session !== undefined }
  const answer = await askHook(sql, { hook: 'password_verification_attempt', ...attempt })
  if (answer.decision === 'continue') return
  if (session !== undefined) await endSession(sql, sessionIdOf(session.access_token))
  throw new AuthRefused(400, 'invalid_credentials', answer.message)
}

/** Nobody, where there is no such account, or where it was not the password that was refused. */
async function whosePasswordWasWrong(sql: postgres.Sql, body: string, refused: unknown): Promise<string | undefined> {
  if (!WrongPassword.safeParse(refused).success) return undefined
  const asked = Credentials.safeParse(parseBody(body))
  if (!asked.success) return undefined
  const [row] = await sql<{ id: string }[]>`select id from auth.users where lower(email) = lower(${asked.data.email})`
  return row?.id
}

function sessionIdOf(innerToken: string): string {
  return InnerClaims.parse(decodeJwt(innerToken)).session_id
}

function originOf({ headers, ip }: AuthRequest): Origin {
  return { userAgent: headers.get('user-agent'), ip }
}

/** Replaces lite's access token by ours. `method` is how the user has just been authenticated; a refresh proves nothing new. */
async function issue(
  parts: AuthParts,
  request: AuthRequest,
  inner: Response,
  method: 'password' | undefined,
): Promise<Response> {
  if (!inner.ok) return inner
  const session = InnerSession.parse(await inner.json())
  const session_id = sessionIdOf(session.access_token)
  const at = new Date(parts.now())
  if (method === undefined) await moveSession(parts.sql, session_id, originOf(request))
  else {
    await beginSession(parts.sql, session_id, originOf(request), at)
    await recordAuthentication(parts.sql, session_id, method, at)
  }
  const [assurance, factors] = await Promise.all([
    assuranceOf(parts.sql, session_id),
    listFactors(parts.sql, session.user.id),
  ])
  const signed = await parts.tokens.sign({ ...userClaims(session.user), session_id, ...assurance })
  return Response.json({
    ...session,
    access_token: signed.token,
    expires_in: ACCESS_TOKEN_SECONDS,
    expires_at: signed.expiresAt,
    user: withFactors(session.user, factors),
  })
}

function userClaims(user: z.infer<typeof InnerSession>['user']): JWTPayload {
  const { id, email, phone, app_metadata, user_metadata } = user
  return { sub: id, role: 'authenticated', email, phone, app_metadata, user_metadata, is_anonymous: false }
}

function withFactors(user: Record<string, unknown>, factors: readonly unknown[]): Record<string, unknown> {
  return factors.length === 0 ? user : { ...user, factors }
}

async function user(parts: AuthParts, request: AuthRequest): Promise<Response> {
  const { bearer } = await authenticate(parts, request)
  return await userResponse(parts, bearer, await parts.lite.fetch('/user', { method: 'GET', bearer }))
}

async function changeUser(parts: AuthParts, request: AuthRequest): Promise<Response> {
  const { bearer, session } = await authenticate(parts, request)
  const change = UserChange.safeParse(parseBody(request.body))
  if (!change.success) throw new AuthRefused(400, 'validation_failed', 'The body is not an object')
  const { password, email, phone } = change.data
  const touchesSignIn = password !== undefined || email !== undefined || phone !== undefined
  if (touchesSignIn && session.aal !== 'aal2' && (await hasVerifiedFactor(parts.sql, bearer.sub))) {
    throw new AuthRefused(
      401,
      'insufficient_aal',
      'AAL2 session is required to update email or password when MFA is enabled.',
    )
  }
  return await userResponse(
    parts,
    bearer,
    await parts.lite.fetch('/user', { method: 'PUT', body: request.body, bearer }),
  )
}

async function hasVerifiedFactor(sql: postgres.Sql, userId: string): Promise<boolean> {
  return (await listFactors(sql, userId)).some(({ status }) => status === 'verified')
}

async function userResponse(parts: AuthParts, bearer: Bearer, inner: Response): Promise<Response> {
  if (!inner.ok) return inner
  const found = z.looseObject({}).parse(await inner.json())
  return Response.json(withFactors(found, await listFactors(parts.sql, bearer.sub)))
}

async function logout(parts: AuthParts, request: AuthRequest): Promise<Response> {
  const { bearer } = await authenticate(parts, request)
  const scope = request.query.get('scope') ?? 'global'
  if (!LOGOUT_SCOPES.includes(scope)) {
    throw new AuthRefused(400, 'validation_failed', `Unsupported logout scope`)
  }
  return await parts.lite.fetch(`/logout?scope=${scope}`, { method: 'POST', body: '{}', bearer })
}

/** Of the admin's endpoints those that `auth.admin.mfa` calls. */
async function adminFactors(parts: AuthParts, { method, path, keyRole }: AuthRequest): Promise<Response> {
  if (keyRole !== 'service_role') throw new AuthRefused(403, 'not_admin', 'User not allowed')
  const [, userId, factorId] = ADMIN_FACTORS_PATH.exec(path) ?? []
  if (!z.uuid().safeParse(userId).success || userId === undefined) {
    throw new AuthRefused(404, 'not_found', 'Not found')
  }
  if (method === 'GET' && factorId === undefined) return Response.json(await listFactors(parts.sql, userId))
  if (method === 'DELETE' && factorId !== undefined && z.uuid().safeParse(factorId).success) {
    return Response.json(await deleteFactor(parts, userId, factorId))
  }
  throw new AuthRefused(405, 'method_not_allowed', 'Method not allowed')
}

async function factor(parts: AuthParts, request: AuthRequest): Promise<Response> {
  const [, factorId, act] = FACTOR_PATH.exec(request.path) ?? []
  if (factorId === undefined || !z.uuid().safeParse(factorId).success) {
    throw new AuthRefused(404, 'not_found', 'Not found')
  }
  const { session } = await authenticate(parts, request)
  if (request.method === 'DELETE' && act === undefined) {
    return Response.json(await unenrol(parts, session, factorId))
  }
  if (request.method === 'POST' && act === 'challenge') {
    return Response.json(await challenge(parts, session, factorId))
  }
  if (request.method === 'POST' && act === 'verify') {
    await verify(parts, session, factorId, parseBody(request.body))
    return await nextTokens(parts, request, session)
  }
  throw new AuthRefused(405, 'method_not_allowed', 'Method not allowed')
}

/** The session's next tokens, by lite's own refresh, so that rotation stays in one place. */
async function nextTokens(parts: AuthParts, request: AuthRequest, session: StoredSession): Promise<Response> {
  const refresh_token = await currentRefreshToken(parts.sql, session.id)
  const body = JSON.stringify({ refresh_token })
  const inner = await parts.lite.fetch('/token?grant_type=refresh_token', { method: 'POST', body })
  return await issue(parts, request, inner, undefined)
}

async function authenticate(
  { sql, tokens }: AuthParts,
  { headers }: AuthRequest,
): Promise<{ bearer: Bearer; session: StoredSession }> {
  const text = /^Bearer ([\w.-]+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  if (text === undefined) {
    throw new AuthRefused(401, 'no_authorization', 'This endpoint requires a valid Bearer token')
  }
  const bearer = await tokens.verify(text)
  if (bearer === undefined) {
    throw new AuthRefused(403, 'bad_jwt', 'invalid JWT: unable to parse or verify signature')
  }
  const session = await findSession(sql, bearer.session_id, bearer.sub)
  if (session === undefined) {
    throw new AuthRefused(403, 'session_not_found', 'Session from session_id claim in JWT does not exist')
  }
  return { bearer, session }
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body === '' ? '{}' : body)
  } catch {
    throw new AuthRefused(400, 'bad_json', 'Could not read the request body as JSON')
  }
}
