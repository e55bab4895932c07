import { PROVIDERS } from 'domain/providers/registry.ts'
import { z } from 'zod'

/**
 * Every name that any function may read. On hosted Supabase the platform itself sets SUPABASE_URL and SUPABASE_SECRET_KEYS (a
 * dictionary) and refuses other names that begin with SUPABASE_; elsewhere the one key is SUPABASE_SECRET_KEY.
 */
const VARIABLES = {
  SUPABASE_URL: z.url(),
  SUPABASE_SECRET_KEY: z.string().min(1).optional(),
  SUPABASE_SECRET_KEYS: z.preprocess(parseJson, z.object({ default: z.string().min(1) })).optional(),
  AUTH_ISSUER: z.url(),
  AUTH_JWKS_URL: z.url(),
  VAULT_URL: z.url(),
  VAULT_SERVICE_KEY: z.preprocess(
    parseJson,
    z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.base64url(), d: z.base64url() }),
  ),
  CLOUDFLARE_API_URL: z.url().default(PROVIDERS.cloudflare.apiUrl),
  RESEND_API_URL: z.url().default(PROVIDERS.resend.apiUrl),
  CLIENT_SUPABASE_API_URL: z.url().default(PROVIDERS.supabase.apiUrl),
  STRIPE_API_URL: z.url().default(PROVIDERS.stripe.apiUrl),
  /** 256 bits, which the notifier holds too. */
  INVITATION_KEY: z.base64url().length(43),
  /** Host, port, database and TLS of the console's Postgres, direct and not pooled; a user in it is refused. */
  CONSOLE_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).refine(isConsoleDatabase),
  CONSOLE_LOGIN_KEY: z.base64url().length(43),
  /** Read by postgres.js itself, which takes no other way to leave them unread. */
  PGAPPNAME: z.string().optional(),
  PGTARGETSESSIONATTRS: z.literal('').optional(),
  /** Where the dashboard is served: the one origin whose pages may read an answer. */
  DASHBOARD_URL: z.url(),
}

/** In the clear to this machine alone. A mode that checks no certificate is no choice: it would go for TLS, and be none to a man in the middle. */
function isConsoleDatabase(url: string): boolean {
  const { username, hostname, searchParams } = new URL(url)
  if (username !== '') return false
  const mode = searchParams.get('sslmode')
  return mode === 'verify-full' || (mode === null && LOOPBACK.has(hostname))
}
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])

type Variables = { [Name in keyof typeof VARIABLES]: z.infer<(typeof VARIABLES)[Name]> }
export type VariableName = keyof Variables
export type Environment<Name extends VariableName> = Pick<Variables, Name>

/** Reads and checks the named variables, once, when the function starts. A refusal names the variable and never its value. */
export function readEnvironment<const Name extends VariableName>(
  get: (name: string) => string | undefined,
  names: readonly Name[],
): Environment<Name> {
  const schema = z.object(Object.fromEntries(names.map((name) => [name, VARIABLES[name]])))
  const parsed = schema.safeParse(Object.fromEntries(names.map((name) => [name, given(get, name)])))
  if (parsed.success) return parsed.data as Environment<Name>
  const wrong = [...new Set(parsed.error.issues.map(({ path }) => String(path[0])))].sort()
  throw new Error(`environment: ${wrong.join(', ')} missing or malformed`)
}

/** The secret key in whichever of the two forms the platform gives it. */
export function secretKey(environment: Environment<'SUPABASE_SECRET_KEY' | 'SUPABASE_SECRET_KEYS'>): string {
  const key = environment.SUPABASE_SECRET_KEYS?.default ?? environment.SUPABASE_SECRET_KEY
  if (key === undefined) throw new Error('environment: SUPABASE_SECRET_KEYS missing or malformed')
  return key
}

/** A platform may grant only the variables that are set: asking for another then throws. */
function given(get: (name: string) => string | undefined, name: string): string | undefined {
  try {
    return get(name)
  } catch {
    return undefined
  }
}

function parseJson(text: unknown): unknown {
  if (typeof text !== 'string') return text
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message would quote the text, which is a key: the schema refuses null instead.
    return null
  }
}
