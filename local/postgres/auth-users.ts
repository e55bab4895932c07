import type postgres from 'postgres'

/**
 * Of Supabase Auth's accounts and sessions, the columns that ours read. The Supabase-compatible server makes the whole tables; a
 * database that runs without one, for a test, gets this much of them, with the same grants.
 */
export async function createAuthUsers(sql: postgres.Sql): Promise<void> {
  await sql`create table auth.users (id uuid primary key, email text, email_confirmed_at timestamptz)`
  await sql`create table auth.sessions (id uuid primary key, user_id uuid not null, created_at timestamptz,
    not_after timestamptz, user_agent text, ip inet, aal text)`
  await sql`grant select on auth.users to postgres`
  await sql`grant select, delete on auth.sessions to postgres`
}

/** What Supabase Auth keeps of a sign-in. Signing in again with the same id begins it anew. */
export async function openAuthSession(
  sql: postgres.Sql | postgres.TransactionSql,
  session: { readonly id: string; readonly userId: string; readonly at: Date; readonly aal?: 'aal1' | 'aal2' },
): Promise<void> {
  const { id, userId, at, aal = 'aal2' } = session
  await sql`insert into auth.sessions (id, user_id, created_at, aal) values (${id}, ${userId}, ${at}, ${aal})
    on conflict (id) do update set created_at = excluded.created_at, aal = excluded.aal`
}
