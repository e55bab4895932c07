import type postgres from 'postgres'

/**
 * Of Supabase Auth's accounts and sessions, the columns that ours read. The Supabase-compatible server makes the whole tables; a
 * database that runs without one, for a test, gets this much of them, with the same grants.
 */
export async function createAuthUsers(sql: postgres.Sql): Promise<void> {
  await sql`create table auth.users (id uuid primary key, email text, email_confirmed_at timestamptz)`
  await sql`create table auth.sessions (id uuid primary key, user_id uuid)`
  await sql`grant select on auth.users, auth.sessions to postgres`
}
