-- Polling: leased jobs, saved cursors, and what a lease lets the connector touch.
create table flarewatch.jobs (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null,
  credential_id uuid not null,
  kind text not null default 'poll' check (kind in ('poll')),
  state text not null default 'leased' check (state in ('leased', 'done', 'failed', 'dead')),
  attempt integer not null default 1 check (attempt > 0),
  lease_until timestamptz not null,
  intent_row uuid,
  outcome text check (outcome ~ '^[a-z][a-z0-9_]{0,63}$'),
  detail text check (char_length(detail) <= 2000),
  created_at timestamptz not null,
  finished_at timestamptz,
  check ((state = 'leased') = (finished_at is null)),
  foreign key (tenant_id, credential_id) references flarewatch.credentials (tenant_id, id)
);
create index jobs_credential_idx on flarewatch.jobs (tenant_id, credential_id);
create index jobs_lease_idx on flarewatch.jobs (lease_until) where state = 'leased';
-- A credential is polled by one job at a time, whatever two schedulers do.
create unique index jobs_one_lease_per_credential on flarewatch.jobs (credential_id) where state = 'leased';

create table flarewatch.cursors (
  site_id uuid not null,
  dataset text not null check (dataset in ('hourly', 'daily')),
  tenant_id uuid not null,
  complete_until timestamptz not null,
  updated_at timestamptz not null,
  primary key (site_id, dataset),
  foreign key (tenant_id, site_id) references flarewatch.sites (tenant_id, id)
);
create index cursors_site_idx on flarewatch.cursors (tenant_id, site_id);

-- What the bound job may touch: null, and so nothing, once it is no longer leased or its lease has run out. Definer, since the
-- policies that ask are on the tables that the answer is read from.
create function flarewatch.leased_tenant() returns uuid
  language sql stable security definer set search_path = ''
begin atomic
  select jobs.tenant_id from flarewatch.jobs
  where jobs.id = flarewatch.bound_job_id() and jobs.state = 'leased' and jobs.lease_until > flarewatch.bound_at();
end;

create function flarewatch.leased_credential() returns uuid
  language sql stable security definer set search_path = ''
begin atomic
  select jobs.credential_id from flarewatch.jobs
  where jobs.id = flarewatch.bound_job_id() and jobs.state = 'leased' and jobs.lease_until > flarewatch.bound_at();
end;

create function flarewatch.leased_sites() returns setof uuid
  language sql stable security definer set search_path = ''
begin atomic
  select sites.id from flarewatch.sites
  where sites.credential_id = flarewatch.leased_credential() and sites.tenant_id = flarewatch.leased_tenant();
end;

revoke execute on function
  flarewatch.leased_tenant(), flarewatch.leased_credential(), flarewatch.leased_sites()
from public;
grant execute on function
  flarewatch.leased_tenant(), flarewatch.leased_credential(), flarewatch.leased_sites()
to flarewatch_connector;

alter table flarewatch.jobs enable row level security, force row level security;
alter table flarewatch.cursors enable row level security, force row level security;

grant
  select (id, tenant_id, credential_id, kind, state, attempt, lease_until, outcome, created_at, finished_at),
  insert (tenant_id, credential_id, kind, state, attempt, lease_until, created_at),
  update (state, attempt, lease_until, outcome, finished_at)
on flarewatch.jobs to flarewatch_scheduler;
grant
  select (id, tenant_id, credential_id, kind, state, attempt, lease_until, outcome, detail, finished_at),
  update (state, outcome, detail, finished_at)
on flarewatch.jobs to flarewatch_connector;
grant
  select (id, tenant_id, credential_id, kind, state, attempt, lease_until, intent_row),
  update (intent_row)
on flarewatch.jobs to flarewatch_vault;

create policy "the scheduler sees every job" on flarewatch.jobs
  for select to flarewatch_scheduler using (true);
create policy "the scheduler leases new jobs" on flarewatch.jobs
  for insert to flarewatch_scheduler with check (state = 'leased' and attempt = 1);
create policy "the scheduler leases again or gives up jobs that are leased" on flarewatch.jobs
  for update to flarewatch_scheduler using (state = 'leased') with check (state in ('leased', 'dead'));
create policy "the connector sees the job it is bound to" on flarewatch.jobs
  for select to flarewatch_connector using (id = (select flarewatch.bound_job_id()));
create policy "the connector ends the job it is bound to while the lease lasts" on flarewatch.jobs
  for update to flarewatch_connector
  using (
    id = (select flarewatch.bound_job_id()) and state = 'leased' and lease_until > (select flarewatch.bound_at())
  )
  with check (id = (select flarewatch.bound_job_id()));
create policy "the vault sees every job" on flarewatch.jobs
  for select to flarewatch_vault using (true);
create policy "the vault notes the intent row of a leased job" on flarewatch.jobs
  for update to flarewatch_vault using (state = 'leased') with check (state = 'leased');

grant
  select (id, tenant_id, provider, dek_version, ciphertext, state, reason, next_poll_at, last_used_at, last_success_at),
  update (state, reason, next_poll_at, last_used_at, last_success_at)
on flarewatch.credentials to flarewatch_connector;
grant select (id, tenant_id, credential_id, provider, provider_ref, name, time_zone)
on flarewatch.sites to flarewatch_connector;
grant select, insert, update (complete_until, updated_at) on flarewatch.cursors to flarewatch_connector;

create policy "the connector reads the credential of its leased job" on flarewatch.credentials
  for select to flarewatch_connector using (id = (select flarewatch.leased_credential()));
create policy "the connector notes how the credential of its leased job fares" on flarewatch.credentials
  for update to flarewatch_connector
  using (id = (select flarewatch.leased_credential()))
  with check (id = (select flarewatch.leased_credential()));
create policy "the connector reads the sites of its leased job" on flarewatch.sites
  for select to flarewatch_connector using (id in (select flarewatch.leased_sites()));
create policy "the connector reads the cursors of its leased job" on flarewatch.cursors
  for select to flarewatch_connector using (site_id in (select flarewatch.leased_sites()));
create policy "the connector starts a cursor for a site of its leased job" on flarewatch.cursors
  for insert to flarewatch_connector
  with check (
    site_id in (select flarewatch.leased_sites()) and tenant_id = (select flarewatch.leased_tenant())
  );
create policy "the connector moves the cursors of its leased job" on flarewatch.cursors
  for update to flarewatch_connector
  using (site_id in (select flarewatch.leased_sites()))
  with check (site_id in (select flarewatch.leased_sites()));
