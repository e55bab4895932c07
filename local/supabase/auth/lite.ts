import { randomBytes } from 'node:crypto'
import { App, InMemoryEmailDriver } from '@supabase/lite'
import { PostgresConnection } from '@supabase/lite/postgres'
import { SignJWT } from 'jose'
import { ACCESS_TOKEN_SECONDS } from './tokens.ts'

/**
 * The fence around `@supabase/lite` (alpha). It keeps accounts, passwords, sessions and refresh tokens; its HS256 tokens never
 * leave this process, and its REST side is not mounted. What it gets wrong is put right here and nowhere else:
 * - its request context grants ALL on every schema that has row-level security: switched off, and the role it connects as,
 *   `supabase_auth_admin`, could not do so anyway;
 * - it writes JSON as JSON strings and answers with times that are not ISO 8601: its driver is told otherwise;
 * - its driver prints notices to standard output, which is kept for the command's answer.
 */
export type Lite = {
  readonly fetch: (path: string, init: LiteRequest) => Promise<Response>
  readonly stop: () => Promise<void>
}
export type LiteRequest = {
  readonly method: string
  readonly body?: string
  /** Speaks for this user: the border has verified the outer token already. */
  readonly bearer?: { readonly sub: string; readonly session_id: string }
}

const CONNECTIONS = 4
const INNER_TOKEN_SECONDS = 60
const MINIMUM_PASSWORD_LENGTH = 8
const REFRESH_REUSE_SECONDS = 10

export function startLite(url: string, siteUrl: string): Lite {
  const secret = randomBytes(32).toString('base64url')
  const connection = new PostgresConnection({ url, postgresOptions: driverOptions() })
  Object.assign(connection, { rlsState: 'inactive', ensureRlsContext: async () => false })
  const app = new App({
    connection,
    auth: {
      enabled: true,
      jwt_secret: secret,
      jwt_expiry: ACCESS_TOKEN_SECONDS,
      site_url: siteUrl,
      minimum_password_length: MINIMUM_PASSWORD_LENGTH,
      enable_refresh_token_rotation: true,
      refresh_token_reuse_interval: REFRESH_REUSE_SECONDS,
      email: { enable_signup: true, enable_confirmations: false },
    },
    options: {
      server: { apiKeys: false, disableStudio: true },
      drivers: { email: new InMemoryEmailDriver() },
    },
  })
  return {
    fetch: async (path, { method, body, bearer }) => {
      const headers = new Headers({ 'content-type': 'application/json' })
      if (bearer !== undefined) headers.set('authorization', `Bearer ${await innerToken(secret, bearer)}`)
      const request = new Request(`http://lite/auth/v1${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      })
      return app.fetch(request)
    },
    stop: () => connection.close(),
  }
}

async function innerToken(secret: string, bearer: { sub: string; session_id: string }): Promise<string> {
  return new SignJWT({ session_id: bearer.session_id, role: 'authenticated' })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(bearer.sub)
    .setAudience('authenticated')
    .setIssuedAt()
    .setExpirationTime(`${INNER_TOKEN_SECONDS} s`)
    .sign(new TextEncoder().encode(secret))
}

function driverOptions() {
  const asJson = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  const asIs = (value: string) => value
  return {
    max: CONNECTIONS,
    onnotice: () => {},
    types: {
      json: { to: 114, from: [114], serialize: asJson, parse: (text: string): unknown => JSON.parse(text) },
      jsonb: { to: 3802, from: [3802], serialize: asJson, parse: (text: string): unknown => JSON.parse(text) },
      timestamptz: { to: 1184, from: [1184], serialize: asIs, parse: (text: string) => new Date(text).toISOString() },
    },
  }
}
