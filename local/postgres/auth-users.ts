import type postgres from 'postgres'

/**
 * Of Supabase Auth's accounts, the columns that ours read. The Supabase-compatible server makes the whole table; a database that
 * runs without one, for a test, gets this much of it, with the same grant.
 */
export async function createAuthUsers(sql: postgres.Sql): Promise<void> {
  await sql`create table auth.users (id uuid primary key, email text, email_confirmed_at timestamptz)`
  await sql`grant select on auth.users to postgres`
}
