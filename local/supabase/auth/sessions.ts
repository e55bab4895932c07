import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'

/** A connection, or a transaction on it. */
export type Queries = postgres.Sql | postgres.TransactionSql

export type Aal = 'aal1' | 'aal2'
/** How a session was authenticated, newest first; times are Unix seconds. */
export type Assurance = {
  readonly aal: Aal
  readonly amr: readonly { readonly method: string; readonly timestamp: number }[]
}
export type StoredSession = { readonly id: string; readonly userId: string; readonly aal: Aal }

const METHODS_OF_AAL2 = new Set(['totp'])

/**
 * How each session was authenticated lives in `auth.mfa_amr_claims`, as with hosted Supabase: it survives a refresh and a
 * restart, and a TOTP's time moves only when a code is verified again.
 */
export async function recordAuthentication(sql: Queries, sessionId: string, method: string, at: Date): Promise<void> {
  await sql`
    insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
    values (${randomUUID()}, ${sessionId}, ${at}, ${at}, ${method})
    on conflict (session_id, authentication_method) do update set updated_at = excluded.updated_at`
}

export async function assuranceOf(sql: Queries, sessionId: string): Promise<Assurance> {
  const rows = await sql<{ method: string; timestamp: number }[]>`
    select authentication_method as method, floor(extract(epoch from updated_at))::float8 as timestamp
    from auth.mfa_amr_claims where session_id = ${sessionId} order by updated_at desc, authentication_method`
  const amr = rows.map(({ method, timestamp }) => ({ method, timestamp }))
  return { aal: amr.some(({ method }) => METHODS_OF_AAL2.has(method)) ? 'aal2' : 'aal1', amr }
}

export async function findSession(sql: Queries, sessionId: string, userId: string): Promise<StoredSession | undefined> {
  const [row] = await sql<{ aal: string | null }[]>`
    select aal from auth.sessions where id = ${sessionId} and user_id = ${userId}`
  return row === undefined ? undefined : { id: sessionId, userId, aal: row.aal === 'aal2' ? 'aal2' : 'aal1' }
}

/** From where a client asked, as far as Supabase Auth keeps it. */
export type Origin = { readonly userAgent: string | null; readonly ip: string | null }

/** lite keeps neither, and begins sessions by its own clock. */
export async function beginSession(
  sql: Queries,
  sessionId: string,
  { userAgent, ip }: Origin,
  at: Date,
): Promise<void> {
  await sql`
    update auth.sessions set created_at = ${at}, user_agent = ${userAgent}, ip = ${ip}::inet where id = ${sessionId}`
}

/** A refresh moves a session to where it was asked for, as with hosted Supabase. */
export async function moveSession(sql: Queries, sessionId: string, { userAgent, ip }: Origin): Promise<void> {
  await sql`update auth.sessions set user_agent = ${userAgent}, ip = ${ip}::inet where id = ${sessionId}`
}

export async function endSession(sql: Queries, sessionId: string): Promise<void> {
  await sql`delete from auth.sessions where id = ${sessionId}`
}

export async function endSessionsOf(sql: Queries, userId: string): Promise<void> {
  await sql`delete from auth.sessions where user_id = ${userId}`
}

export async function raiseSession(sql: Queries, sessionId: string, factorId: string): Promise<void> {
  await sql`
    update auth.sessions set aal = 'aal2', factor_id = ${factorId}, updated_at = clock_timestamp() where id = ${sessionId}`
}

/** Once a user has a second factor, sessions that were opened without it end, as with hosted Supabase. */
export async function endSessionsBelowAal2(sql: Queries, userId: string): Promise<void> {
  await sql`delete from auth.sessions where user_id = ${userId} and coalesce(aal, 'aal1') < 'aal2'`
}

/** A factor that is removed takes the AAL2 that it gave along. */
export async function lowerSessionsOf(sql: Queries, userId: string, factorId: string): Promise<void> {
  await sql`
    delete from auth.mfa_amr_claims where authentication_method = 'totp' and session_id in
      (select id from auth.sessions where user_id = ${userId} and factor_id = ${factorId})`
  await sql`
    update auth.sessions set aal = 'aal1', factor_id = null, updated_at = clock_timestamp()
    where user_id = ${userId} and factor_id = ${factorId}`
}

/** The refresh token that the session's next refresh would present. */
export async function currentRefreshToken(sql: Queries, sessionId: string): Promise<string | undefined> {
  const [row] = await sql<{ token: string }[]>`
    select token from auth.refresh_tokens where session_id = ${sessionId} and not coalesce(revoked, false)
    order by created_at desc limit 1`
  return row?.token
}
