import { getAuthSchemaSql } from '@supabase/lite'
import type postgres from 'postgres'

/** Hosted Supabase's request helpers. lite's own versions read only the older one-setting-per-claim form. */
const REQUEST_FUNCTIONS = `
create or replace function auth.jwt() returns jsonb language sql stable set search_path = '' as $$
  select coalesce(
    nullif(pg_catalog.current_setting('request.jwt.claim', true), ''),
    nullif(pg_catalog.current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;
create or replace function auth.uid() returns uuid language sql stable set search_path = '' as $$
  select coalesce(
    nullif(pg_catalog.current_setting('request.jwt.claim.sub', true), ''),
    nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;
create or replace function auth.role() returns text language sql stable set search_path = '' as $$
  select coalesce(
    nullif(pg_catalog.current_setting('request.jwt.claim.role', true), ''),
    nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;
create or replace function auth.email() returns text language sql stable set search_path = '' as $$
  select coalesce(
    nullif(pg_catalog.current_setting('request.jwt.claim.email', true), ''),
    nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
  )
$$;
grant usage on schema auth to anon, authenticated, service_role;
`

/** What ties the MFA tables of the bootstrap to lite's: a session that ends takes its claims along, a user its factors. */
const MFA_KEYS = `
do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conname = 'mfa_factors_user_id_fkey') then
    alter table auth.mfa_factors add constraint mfa_factors_user_id_fkey
      foreign key (user_id) references auth.users (id) on delete cascade;
  end if;
  if not exists (select from pg_catalog.pg_constraint where conname = 'mfa_amr_claims_session_id_fkey') then
    alter table auth.mfa_amr_claims add constraint mfa_amr_claims_session_id_fkey
      foreign key (session_id) references auth.sessions (id) on delete cascade;
  end if;
end
$$;
`

const LITE_TABLES = ['users', 'sessions', 'refresh_tokens', 'identities', 'flow_state', 'audit_log_entries'] as const

/** Completes schema auth, as its owner. Safe to run at every start; nothing outside schema auth is touched. */
export async function completeAuthSchema(sql: postgres.Sql): Promise<void> {
  const enableRowSecurity = LITE_TABLES.map((table) => `alter table auth.${table} enable row level security;`).join(
    '\n',
  )
  await sql.begin(async (tx) => {
    await tx.unsafe(getAuthSchemaSql())
    await tx.unsafe(REQUEST_FUNCTIONS + MFA_KEYS + enableRowSecurity)
  })
}
