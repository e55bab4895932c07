import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { MeResponse, TENANT_HEADER } from '../domain/contracts/api.ts'
import { TenantId } from '../domain/contracts/ids.ts'
import { CommandRefused, EXIT } from './command.ts'
import { fetchJson } from './http.ts'
import { writePrivately } from './private-file.ts'
import { refreshTokens } from './sign-in.ts'

/** Somebody's session on one deployment, as `flarewatch login` left it. */
export const Session = z.object({
  gateway_url: z.url(),
  supabase_url: z.url(),
  publishable_key: z.string(),
  email: z.string(),
  access_token: z.string(),
  refresh_token: z.string(),
  /** Unix seconds. */
  expires_at: z.number(),
})
export type Session = z.infer<typeof Session>

/** A token that ends within this is renewed first: what it is for may take a while to begin. */
const RENEW_SECONDS = 60

export function sessionPath(dir: string): string {
  return join(dir, 'secrets', 'session.json')
}

export function saveSession(dir: string, session: Session): void {
  writePrivately(sessionPath(dir), `${JSON.stringify(session)}\n`)
}

export function findSession(dir: string): Session | null {
  try {
    return Session.parse(JSON.parse(readFileSync(sessionPath(dir), 'utf8')))
  } catch {
    return null
  }
}

export function removeSession(dir: string): void {
  rmSync(sessionPath(dir), { force: true })
}

/** The session with a token that is still good for a while. Renewing rotates the refresh token, so it is saved at once. */
export async function currentSession(dir: string): Promise<Session> {
  const session = findSession(dir)
  if (session === null) throw new CommandRefused('not_signed_in', 'Sign in first: flarewatch login')
  if (session.expires_at - RENEW_SECONDS > Date.now() / 1000) return session
  const tokens = await refreshTokens(session, session.refresh_token).catch((error: unknown) => {
    if (error instanceof CommandRefused && error.code === 'unreachable') throw error
    throw new CommandRefused('signed_out', 'The session has ended. Sign in again: flarewatch login')
  })
  const renewed = { ...session, ...tokens }
  saveSession(dir, renewed)
  return renewed
}

export function asUser({ access_token }: Session, tenantId?: TenantId): Record<string, string> {
  return {
    authorization: `Bearer ${access_token}`,
    ...(tenantId === undefined ? {} : { [TENANT_HEADER]: tenantId }),
  }
}

export function fetchMe(session: Session): Promise<z.output<typeof MeResponse>> {
  return fetchJson(`${session.gateway_url}/api/me`, { headers: asUser(session) }, MeResponse)
}

/** The tenant that was named; with none named the only one there is. Which of several was meant is not guessed. */
export async function chosenTenant(session: Session, named: string | boolean | undefined): Promise<TenantId> {
  if (named !== undefined) {
    const parsed = TenantId.safeParse(named)
    if (parsed.success) return parsed.data
    throw new CommandRefused('usage', '--tenant takes the id of a tenant', EXIT.usage)
  }
  const { tenants } = await fetchMe(session)
  const [only, another] = tenants
  if (only === undefined) throw new CommandRefused('not_a_member', 'You are not a member of any tenant')
  if (another === undefined) return only.id
  const choices = tenants.map(({ id, name }) => `${id} (${name})`).join(', ')
  throw new CommandRefused('usage', `--tenant is one of ${choices}`, EXIT.usage)
}
