-- What is wrong at a provider, as long as it is: a lint of a database, a statement that is slow. A row is one stretch of time in which one
-- subject had one fault, and its two ends are the two events. What comes back after it was resolved is a row of its own.

set local lock_timeout = '5s';

-- What goes with a site goes by cascade: a tenant's deletion knows of sites already.
create table flarewatch.findings (
  site_id uuid not null references flarewatch.sites (id) on delete cascade,
  tenant_id uuid not null,
  provider text not null check (provider in ('cloudflare', 'stripe', 'resend', 'supabase')),
  kind text not null check (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
  subject text not null check (char_length(subject) between 1 and 300),
  level text not null check (level in ('error', 'warning', 'info')),
  detail text check (char_length(detail) between 1 and 300),
  first_seen timestamptz not null,
  last_seen timestamptz not null check (last_seen >= first_seen),
  resolved_at timestamptz check (resolved_at >= last_seen),
  primary key (site_id, kind, subject, first_seen)
);
create unique index findings_open_idx on flarewatch.findings (site_id, kind, subject) where resolved_at is null;
create index findings_resolved_idx on flarewatch.findings (resolved_at) where resolved_at is not null;

alter table flarewatch.findings enable row level security, force row level security;

grant select on flarewatch.findings to flarewatch_gateway, flarewatch_console;
grant select, insert, update (level, detail, last_seen, resolved_at) on flarewatch.findings to flarewatch_connector;

create policy "members see their tenant's findings" on flarewatch.findings
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no finding" on flarewatch.findings
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "a console login sees the findings of its tenant" on flarewatch.findings
  for select to flarewatch_console using (tenant_id = (select flarewatch.console_tenant()));
create policy "the connector sees the findings of its leased job" on flarewatch.findings
  for select to flarewatch_connector using (site_id in (select flarewatch.leased_sites()));
create policy "the connector adds findings for its leased job" on flarewatch.findings
  for insert to flarewatch_connector
  with check (
    site_id in (select flarewatch.leased_sites()) and tenant_id = (select flarewatch.leased_tenant())
  );
-- A stretch that has ended is history.
create policy "the connector follows the open findings of its leased job" on flarewatch.findings
  for update to flarewatch_connector
  using (site_id in (select flarewatch.leased_sites()) and resolved_at is null)
  with check (site_id in (select flarewatch.leased_sites()));

create view warehouse.findings with (security_invoker = true) as
  select site_id, provider, kind, subject, level, detail, first_seen, last_seen, resolved_at
  from flarewatch.findings;
grant select on warehouse.findings to flarewatch_console;

-- A year after they were resolved, findings go. How many went.
create function flarewatch.drop_old_findings(at timestamptz, batch integer) returns integer
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  dropped integer;
begin
  delete from flarewatch.findings as finding
  using (
    select old.ctid as place from flarewatch.findings as old
    where old.resolved_at <= drop_old_findings.at - interval '1 year'
    order by old.resolved_at
    limit drop_old_findings.batch
  ) as chosen
  where finding.ctid = chosen.place;
  get diagnostics dropped = row_count;
  return dropped;
end
$$;
revoke execute on function flarewatch.drop_old_findings(timestamptz, integer) from public;
grant execute on function flarewatch.drop_old_findings(timestamptz, integer) to flarewatch_scheduler;

-- The console's second target: the sealed key of one Supabase project of the tenant, for one statement at its read-only endpoint.
-- Asked before the vault has judged the session, so it is judged here.
create function privileged.console_credential(request jsonb) returns jsonb
  language plpgsql stable security definer set search_path = ''
as $$
declare
  answer jsonb;
begin
  perform flarewatch.require_session(request);
  perform flarewatch.require_act((request ->> 'tenant_id')::uuid, (request ->> 'user_id')::uuid, 'console.query');
  select pg_catalog.jsonb_build_object(
    'ciphertext', flarewatch.to_base64url(record.ciphertext),
    'provider_ref', site.provider_ref
  ) into answer
  from flarewatch.credentials as record
  join flarewatch.sites as site on site.tenant_id = record.tenant_id and site.credential_id = record.id
  where record.tenant_id = (request ->> 'tenant_id')::uuid
    and record.id = (request ->> 'credential_id')::uuid
    and record.provider = 'supabase'
    and site.id = (request ->> 'site_id')::uuid
    and record.deleted_at is null;
  if answer is null then
    perform flarewatch.refuse_request('FW024', 'credential_unknown');
  end if;
  return answer;
end
$$;
revoke execute on function privileged.console_credential(jsonb) from public;
grant execute on function privileged.console_credential(jsonb) to service_role;
