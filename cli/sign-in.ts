import { z } from 'zod'
import { CommandRefused } from './command.ts'
import { fetchJson } from './http.ts'

/** Supabase Auth, by the three calls that a sign-in with a second factor takes. */
export type AuthAddress = { readonly supabase_url: string; readonly publishable_key: string }

const Tokens = z.object({ access_token: z.string(), refresh_token: z.string(), expires_at: z.number() })
export type Tokens = z.infer<typeof Tokens>
const Factor = z.object({ id: z.uuid(), factor_type: z.string(), status: z.string() })
const Account = z.object({ factors: z.array(Factor).default([]) })
const SignedIn = Tokens.extend({ user: Account })

/** A password alone: AAL1. `factorId` is the authenticator that the account has enrolled. */
export async function signInWithPassword(
  auth: AuthAddress,
  credentials: { readonly email: string; readonly password: string },
): Promise<{ readonly tokens: Tokens; readonly factorId: string }> {
  const { user, ...tokens } = await post(auth, '/token?grant_type=password', credentials, SignedIn)
  return { tokens, factorId: factorOf(user) }
}

/** The authenticator that the account has now: another one, perhaps, than when the session began. */
export async function enrolledFactor(auth: AuthAddress, { access_token }: Tokens): Promise<string> {
  const headers = { apikey: auth.publishable_key, authorization: `Bearer ${access_token}` }
  return factorOf(await fetchJson(`${auth.supabase_url}/auth/v1/user`, { headers }, Account))
}

function factorOf({ factors }: z.infer<typeof Account>): string {
  const factor = factors.find(({ factor_type, status }) => factor_type === 'totp' && status === 'verified')
  if (factor !== undefined) return factor.id
  throw new CommandRefused(
    'totp_enrolment_required',
    'This account has no authenticator yet. Set one up in the dashboard first.',
  )
}

/** Steps the session up to AAL2. */
export async function verifyTotp(
  auth: AuthAddress,
  tokens: Tokens,
  { factorId, code }: { readonly factorId: string; readonly code: string },
): Promise<Tokens> {
  const challenge = await post(auth, `/factors/${factorId}/challenge`, {}, z.object({ id: z.string() }), tokens)
  const answer = { challenge_id: challenge.id, code }
  return post(auth, `/factors/${factorId}/verify`, answer, Tokens, tokens)
}

export function refreshTokens(auth: AuthAddress, refresh_token: string): Promise<Tokens> {
  return post(auth, '/token?grant_type=refresh_token', { refresh_token }, Tokens)
}

/** Ends this session on the server, so that its refresh token is worth nothing. */
export async function signOut({ supabase_url, publishable_key }: AuthAddress, { access_token }: Tokens): Promise<void> {
  await fetch(`${supabase_url}/auth/v1/logout?scope=local`, {
    method: 'POST',
    headers: { apikey: publishable_key, authorization: `Bearer ${access_token}` },
  })
}

function post<Schema extends z.ZodType>(
  { supabase_url, publishable_key }: AuthAddress,
  path: string,
  body: object,
  schema: Schema,
  tokens?: Tokens,
): Promise<z.output<Schema>> {
  const headers = {
    apikey: publishable_key,
    'content-type': 'application/json',
    ...(tokens === undefined ? {} : { authorization: `Bearer ${tokens.access_token}` }),
  }
  return fetchJson(`${supabase_url}/auth/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) }, schema)
}
