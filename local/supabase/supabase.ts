import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import postgres from 'postgres'
import { forward } from '../functions/forward.ts'
import { closeServer, listenOnLoopback } from '../functions/loopback.ts'
import { type AuthParts, handleAuth, isWellKnown } from './auth/auth.ts'
import { startLite } from './auth/lite.ts'
import { completeAuthSchema } from './auth/schema.ts'
import { accessTokens } from './auth/tokens.ts'
import { allowOrigins, answerPreflight, BodyTooLarge, readBody, readHeaders, sendJson, sendResponse } from './http.ts'
import { apiKeyRole, keptKeys, type SupabaseKeys } from './keys.ts'
import { fileLog, type Log } from './log.ts'
import { type Caller, handleRest, type RestParts } from './rest/rpc.ts'

/** A stand-in for a hosted Supabase project: Auth with TOTP, the one REST route that the Edge Functions use, and they themselves. */
export type SupabaseOptions = {
  /** The stack's data directory: keys go to `secrets/`, the log to `logs/` below it. */
  readonly dir: string
  readonly postgres: { readonly urlFor: (role: 'authenticator' | 'supabase_auth_admin') => string }
  readonly port?: number
  /** Where the host of the Edge Functions listens; it may be told later. */
  readonly functionsUrl?: string
  /** Unix milliseconds; decides about codes, `amr` times and expiry. */
  readonly now?: () => number
  readonly log?: Log
}

export type Supabase = {
  readonly url: string
  readonly publishableKey: string
  /** Acts as service_role: for the Edge Functions alone (D2). */
  readonly secretKey: string
  readonly issuer: string
  readonly jwksUrl: string
  readonly setFunctionsUrl: (url: string) => void
  readonly stop: () => Promise<void>
}

type Parts = {
  readonly keys: SupabaseKeys
  readonly auth: AuthParts
  readonly rest: RestParts
  readonly functionsUrl: () => string | undefined
}

const AUTH_CONNECTIONS = 4
const REST_CONNECTIONS = 8
const CONNECT_TIMEOUT_SECONDS = 5

export async function startSupabase(options: SupabaseOptions): Promise<Supabase> {
  const log = options.log ?? fileLog(join(options.dir, 'logs', 'supabase.log'))
  const keys = await keptKeys(join(options.dir, 'secrets', 'supabase.json'))
  const authSql = connect(options.postgres.urlFor('supabase_auth_admin'), AUTH_CONNECTIONS)
  const restSql = connect(options.postgres.urlFor('authenticator'), REST_CONNECTIONS)
  const server = createServer()
  const stops = [() => closeServer(server), () => authSql.end({ timeout: 1 }), () => restSql.end({ timeout: 1 })]
  const stop = async () => {
    await Promise.all(stops.map((stopPart) => stopPart()))
  }
  try {
    const [url] = await Promise.all([listenOnLoopback(server, options.port ?? 0), completeAuthSchema(authSql)])
    const issuer = `${url}/auth/v1`
    const now = options.now ?? Date.now
    const lite = startLite(options.postgres.urlFor('supabase_auth_admin'), url)
    stops.push(lite.stop)
    const onError = (error: unknown) => log(describeError(error))
    const tokens = await accessTokens(keys.signing_key, issuer, now)
    let functionsUrl = options.functionsUrl
    const parts: Parts = {
      keys,
      auth: { sql: authSql, now, defaultIssuer: new URL(url).host, lite, tokens, issuer, onError },
      rest: { sql: restSql, onError },
      functionsUrl: () => functionsUrl,
    }
    server.on('request', (request: IncomingMessage, response: ServerResponse) => serve(parts, request, response, log))
    return {
      url,
      publishableKey: keys.publishable_key,
      secretKey: keys.secret_key,
      issuer,
      jwksUrl: `${issuer}/.well-known/jwks.json`,
      setFunctionsUrl: (target) => {
        functionsUrl = target
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function connect(url: string, max: number): postgres.Sql {
  return postgres(url, { max, fetch_types: false, onnotice: () => {}, connect_timeout: CONNECT_TIMEOUT_SECONDS })
}

function serve(parts: Parts, request: IncomingMessage, response: ServerResponse, log: Log): void {
  const began = performance.now()
  const url = new URL(request.url ?? '/', 'http://supabase')
  response.on('finish', () => {
    // Never the query or a header: they may hold what somebody typed.
    log(`${request.method} ${url.pathname} ${response.statusCode} ${Math.round(performance.now() - began)} ms`)
  })
  answer(parts, request, response, url).catch((error: unknown) => {
    log(describeError(error))
    if (response.headersSent) response.destroy()
    else if (error instanceof BodyTooLarge) sendJson(response, 413, { message: 'Request body too large' })
    else sendJson(response, 500, { message: 'An unexpected error occurred' })
  })
}

async function answer(parts: Parts, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const [, service, path = '/'] = /^\/(auth|rest|functions)\/v1(\/.*)?$/.exec(url.pathname) ?? []
  // The functions answer CORS themselves, as they must on a hosted project.
  if (service === 'functions') return proxyFunction(parts, request, response, `${path}${url.search}`)
  allowOrigins(response)
  if (request.method === 'OPTIONS') return answerPreflight(request, response)
  if (url.pathname === '/health') return sendJson(response, 200, { ok: true })
  const headers = readHeaders(request)
  const isPublic = service === 'auth' && isWellKnown(path)
  const role = apiKeyRole(parts.keys, headers.get('apikey'))
  if (role === undefined && !isPublic) return sendJson(response, 401, apiKeyError(headers.has('apikey')))
  const asked = { method: request.method ?? 'GET', path, headers, body: await readBody(request) }
  const ip = request.socket.remoteAddress ?? null
  if (service === 'auth') {
    return sendResponse(
      response,
      await handleAuth(parts.auth, { ...asked, ip, keyRole: role ?? 'anon', query: url.searchParams }),
    )
  }
  if (service !== 'rest') return sendJson(response, 404, { message: 'no Route matched with those values' })
  const caller = await identify(parts, headers, role ?? 'anon')
  if (caller === undefined)
    return sendJson(response, 401, { code: 'PGRST301', message: 'JWT invalid', details: null, hint: null })
  return sendResponse(response, await handleRest(parts.rest, { ...asked, caller }))
}

/** The user whose token is given, or else whom the API key stands for. */
async function identify(parts: Parts, headers: Headers, role: 'anon' | 'service_role'): Promise<Caller | undefined> {
  const authorization = headers.get('authorization')
  const bearer = authorization?.replace(/^Bearer /i, '')
  if (bearer === undefined || bearer === headers.get('apikey')) return { role, claims: { role } }
  const user = await parts.auth.tokens.verify(bearer)
  return user === undefined ? undefined : { role: 'authenticated', claims: user.claims }
}

function proxyFunction(parts: Parts, request: IncomingMessage, response: ServerResponse, path: string): void {
  const target = parts.functionsUrl()
  const unavailable = (outgoing: ServerResponse) => {
    allowOrigins(outgoing)
    sendJson(outgoing, 503, { code: 'BOOT_ERROR', message: 'Function failed to start (please check logs)' })
  }
  const hasCredentials = request.headers.authorization !== undefined || request.headers.apikey !== undefined
  if (target === undefined) {
    unavailable(response)
  } else if (request.method !== 'OPTIONS' && !hasCredentials) {
    allowOrigins(response)
    sendJson(response, 401, { code: 'UNAUTHORIZED_NO_AUTH_HEADER', message: 'Missing authorization header' })
  } else {
    forward(request, response, new URL(target.replace(/\/$/, '') + path), unavailable)
  }
}

function apiKeyError(isGiven: boolean): { message: string; hint: string } {
  return isGiven
    ? { message: 'Invalid API key', hint: 'Double check the API key.' }
    : { message: 'No API key found in request', hint: 'No `apikey` request header was found.' }
}

/** An error's text may quote a value, so only its kind, its SQLSTATE and where it arose are kept. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return 'error: not an Error'
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : ''
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return `error: ${error.name}${code} ${frames
    .slice(0, 3)
    .map((line) => line.trim())
    .join(' ')}`
}
