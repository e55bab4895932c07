import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import { TOTP } from 'otpauth'
import postgres from 'postgres'
import { startPostgres } from '../postgres/postgres.ts'
import type { LoginRole } from '../postgres/roles.ts'
import { type Supabase, startSupabase } from './supabase.ts'

/** What the tests of this folder stand on: a real Postgres with schemas like ours, and a clock that they move. */
export type Stand = {
  readonly supabase: Supabase
  readonly sql: postgres.Sql
  readonly urlFor: (role: LoginRole) => string
  readonly clock: { offset: number }
  readonly client: (key?: string) => SupabaseClient
  readonly restart: () => Promise<Supabase>
  readonly stop: () => Promise<void>
}

const SCHEMAS = `
create schema flarewatch;
create table flarewatch.tenants (id int primary key);
alter table flarewatch.tenants enable row level security;
insert into flarewatch.tenants values (1);
create schema privileged;
grant usage on schema privileged to service_role;
create table privileged.hidden (id int primary key);
create function privileged.echo(request jsonb) returns jsonb language sql as $$
  select jsonb_build_object('request', request, 'role', current_role, 'claims', auth.jwt(), 'uid', auth.uid())
$$;
create function privileged.refuse(request jsonb) returns jsonb language plpgsql as $$
  begin raise exception using errcode = 'FW001', message = request ->> 'code'; end
$$;
create schema auth_hooks;
grant usage on schema auth_hooks to supabase_auth_admin;
create function auth_hooks.password_verification_attempt(event jsonb) returns jsonb language sql
  return '{"decision": "continue"}'::jsonb;
create function auth_hooks.mfa_verification_attempt(event jsonb) returns jsonb language sql
  return '{"decision": "continue"}'::jsonb;
create function privileged.nothing(request jsonb) returns jsonb language sql as $$ select null::jsonb $$;
create function privileged.two(request jsonb, other int) returns jsonb language sql as $$ select request $$;
revoke execute on all functions in schema privileged from public;
grant execute on all functions in schema privileged to service_role;
`

export async function openStand(schemas: 'like ours' | 'ours' = 'like ours'): Promise<Stand> {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-supabase-'))
  const migrationsDir = join(dir, 'migrations')
  mkdirSync(migrationsDir)
  writeFileSync(
    join(migrationsDir, '0001_like_ours.sql'),
    // auth.jwt() is made by the gateway later; bodies are checked when they run.
    `set check_function_bodies = off;\n${SCHEMAS}`,
  )
  const database = await startPostgres(schemas === 'ours' ? { dir } : { dir, migrationsDir })
  const clock = { offset: 0 }
  const start = () => startSupabase({ dir, postgres: database, now: () => Date.now() + clock.offset })
  let supabase = await start()
  const sql = postgres(database.superuserUrl, { max: 2, onnotice: () => {} })
  return {
    get supabase() {
      return supabase
    },
    sql,
    urlFor: database.urlFor,
    clock,
    client: (key = supabase.publishableKey) =>
      createClient(supabase.url, key, { auth: { persistSession: false, autoRefreshToken: false } }),
    restart: async () => {
      const port = Number(new URL(supabase.url).port)
      await supabase.stop()
      supabase = await startSupabase({ dir, postgres: database, port, now: () => Date.now() + clock.offset })
      return supabase
    },
    stop: async () => {
      await supabase.stop()
      await sql.end()
      await database.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

let people = 0

export async function signUp(stand: Stand): Promise<{ client: SupabaseClient; email: string; password: string }> {
  people += 1
  const email = `person-${people}@example.test`
  const password = 'correct horse battery'
  const client = stand.client()
  const { error } = await client.auth.signUp({ email, password })
  if (error !== null) throw error
  return { client, email, password }
}

/** Enrols TOTP and verifies it, so that the client's session is AAL2. */
export async function enrolled(stand: Stand): Promise<{
  client: SupabaseClient
  email: string
  password: string
  secret: string
  factorId: string
}> {
  const person = await signUp(stand)
  const { data, error } = await person.client.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'phone' })
  if (error !== null) throw error
  const verified = await person.client.auth.mfa.challengeAndVerify({
    factorId: data.id,
    code: codeNow(stand, data.totp.secret),
  })
  if (verified.error !== null) throw verified.error
  return { ...person, secret: data.totp.secret, factorId: data.id }
}

export function codeNow(stand: Stand, secret: string, steps = 0): string {
  return new TOTP({ secret }).generate({ timestamp: Date.now() + stand.clock.offset + steps * 30_000 })
}

export type Claims = {
  iss: string
  aud: string
  sub: string
  role: string
  email: string
  session_id: string
  aal: string
  amr: { method: string; timestamp: number }[]
  exp: number
  iat: number
}

export async function claimsOf(client: SupabaseClient): Promise<Claims> {
  const { data, error } = await client.auth.getClaims()
  if (error !== null || data === null) throw error ?? new Error('no claims')
  return data.claims as unknown as Claims
}
