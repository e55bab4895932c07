-- The SQL console's wall (ADR 0017). One login role a tenant; which tenant it is follows from session_user, which SQL cannot change, and
-- no setting, claim or binding takes part. The limits below may be lifted by whoever gets SQL past the parser; the wall is grants and policies.

set local lock_timeout = '5s';

create role flarewatch_console with nologin noinherit nobypassrls;

-- One statement, and first, since the functions below read the columns. The table is small and the migration short.
do $$
begin
  alter table flarewatch.tenants
    add column console_login text unique check (console_login ~ '^flarewatch_console_[0-9a-f]{32}$'),
    -- Tells whether the function's secret has changed since the role's verifier was set, which Postgres itself doesn't show.
    add column console_verifier_digest bytea check (octet_length(console_verifier_digest) = 32);
end
$$;

-- Definer, since the console's role reads nothing of tenants; session_user stays the login's.
create function flarewatch.console_tenant() returns uuid
  language sql stable security definer set search_path = ''
return (select tenants.id from flarewatch.tenants where tenants.console_login = session_user and tenants.state = 'active');

grant execute on function flarewatch.console_tenant() to flarewatch_console;

grant select (id, tenant_id, provider, name, time_zone) on flarewatch.sites to flarewatch_console;
grant select on flarewatch.facts_hourly, flarewatch.facts_daily to flarewatch_console;
grant select (id, tenant_id, kind, state, attempt, outcome, created_at, finished_at) on flarewatch.jobs to flarewatch_console;

create policy "a console login sees the sites of its tenant" on flarewatch.sites
  for select to flarewatch_console using (tenant_id = (select flarewatch.console_tenant()));
create policy "a console login sees the hourly facts of its tenant" on flarewatch.facts_hourly
  for select to flarewatch_console using (tenant_id = (select flarewatch.console_tenant()));
create policy "a console login sees the daily facts of its tenant" on flarewatch.facts_daily
  for select to flarewatch_console using (tenant_id = (select flarewatch.console_tenant()));
create policy "a console login sees the runs of its tenant" on flarewatch.jobs
  for select to flarewatch_console using (tenant_id = (select flarewatch.console_tenant()));

-- What the console shows: views with the rights and policies of whoever asks. Schema flarewatch itself stays closed to it.
create schema warehouse;
revoke all on schema warehouse from public;
grant usage on schema warehouse to flarewatch_console;

create view warehouse.sites with (security_invoker = true) as
  select id as site_id, name, provider, time_zone from flarewatch.sites;
create view warehouse.metrics_hourly with (security_invoker = true) as
  select site_id, provider, metric, window_start, window_end, value, unit, source, fetched_at, sampling, completeness
  from flarewatch.facts_hourly;
create view warehouse.metrics_daily with (security_invoker = true) as
  select site_id, provider, metric, window_start, window_end, value, unit, source, fetched_at, sampling, completeness
  from flarewatch.facts_daily;
create view warehouse.runs with (security_invoker = true) as
  select id as run_id, kind, state, attempt, outcome, created_at, finished_at from flarewatch.jobs;

grant select on all tables in schema warehouse to flarewatch_console;

-- Ends what a console login has open for longer than any statement may take: the watchdog's arm, which needs no connection of the login.
create function flarewatch.end_console_sessions(login text, older_than interval, statement text default null) returns integer
  language sql volatile security definer set search_path = ''
return (
  select count(*) filter (where pg_catalog.pg_terminate_backend(activity.pid))
  from pg_catalog.pg_stat_activity as activity
  where activity.usename = login and activity.backend_start <= pg_catalog.clock_timestamp() - older_than
    and (statement is null or activity.application_name = statement)
);

create function flarewatch.create_console_login(login text) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  setting text;
begin
  execute pg_catalog.format('create role %I with login inherit nobypassrls connection limit 2', login);
  execute pg_catalog.format('grant flarewatch_console to %I with inherit true, set false', login);
  -- Whoever ends a session must have the rights of its role.
  execute pg_catalog.format('grant %I to %I with inherit true, set false', login, current_user);
  foreach setting in array array[
    'search_path = warehouse',
    'timezone = ''UTC''',
    'default_transaction_read_only = on',
    'statement_timeout = ''11s''',
    'lock_timeout = ''1s''',
    'idle_in_transaction_session_timeout = ''12s''',
    'idle_session_timeout = ''12s''',
    'work_mem = ''8MB''',
    'max_parallel_workers_per_gather = 0',
    'jit = off'
  ] loop
    execute pg_catalog.format('alter role %I set %s', login, setting);
  end loop;
end
$$;

-- The tenant's console login, made when it is first asked for. Only a SCRAM verifier arrives, never the password.
create function privileged.open_console(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  asked constant uuid := request ->> 'tenant_id';
  verifier constant text := request ->> 'verifier';
  tenant flarewatch.tenants;
begin
  perform flarewatch.require_act(asked, (request ->> 'user_id')::uuid, 'console.query');
  -- Not a password, which Postgres would hash here, and which its log might show.
  if verifier is null or verifier !~ '^SCRAM-SHA-256\$4096:[A-Za-z0-9+/=]{24}\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}$' then
    perform flarewatch.refuse_request('FW007', 'request_invalid');
  end if;
  select * into tenant from flarewatch.tenants where tenants.id = asked for update;
  if tenant.state <> 'active' then
    perform flarewatch.refuse_request('FW004', 'tenant_not_active');
  end if;
  if tenant.console_login is null then
    tenant.console_login := 'flarewatch_console_' || pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', '');
    perform flarewatch.create_console_login(tenant.console_login);
  end if;
  if tenant.console_verifier_digest is distinct from pg_catalog.sha256(verifier::bytea) then
    execute pg_catalog.format('alter role %I with password %L', tenant.console_login, verifier);
    update flarewatch.tenants
    set console_login = tenant.console_login, console_verifier_digest = pg_catalog.sha256(verifier::bytea)
    where tenants.id = asked;
  end if;
  perform flarewatch.end_console_sessions(tenant.console_login, interval '15 seconds');
  return pg_catalog.jsonb_build_object('login', tenant.console_login);
end
$$;

-- A cancel, of the statement that is named; or else the watchdog, of all that ran longer than a statement may. How many sessions it ended.
create function privileged.end_console(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  asked constant uuid := request ->> 'tenant_id';
begin
  perform flarewatch.require_act(asked, (request ->> 'user_id')::uuid, 'console.query');
  return pg_catalog.jsonb_build_object(
    'ended',
    (
      select flarewatch.end_console_sessions(
        tenants.console_login,
        case when request ? 'statement_id' then interval '0' else interval '11 seconds' end,
        request ->> 'statement_id'
      )
      from flarewatch.tenants where tenants.id = asked
    )
  );
end
$$;

-- The login goes with the first step of a deletion, sessions and all.
create function flarewatch.drop_console_login() returns trigger
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  if new.state in ('deleting', 'deleted') and old.console_login is not null then
    perform flarewatch.end_console_sessions(old.console_login, interval '0');
    execute pg_catalog.format('drop role %I', old.console_login);
    new.console_login := null;
    new.console_verifier_digest := null;
  end if;
  return new;
end
$$;
create trigger drop_console_login before update of state on flarewatch.tenants
  for each row execute function flarewatch.drop_console_login();

revoke execute on function
  flarewatch.console_tenant(),
  flarewatch.end_console_sessions(text, interval, text),
  flarewatch.create_console_login(text),
  flarewatch.drop_console_login(),
  privileged.open_console(jsonb),
  privileged.end_console(jsonb)
from public;
grant execute on function privileged.open_console(jsonb), privileged.end_console(jsonb) to service_role;
