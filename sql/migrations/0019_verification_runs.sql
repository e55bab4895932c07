-- Which chain was walked end to end in which night, for people to read. The verifier itself goes by a state that it keeps outside
-- Postgres: nothing here can tell it that rows were walked that were not.

-- Receipts are written every few minutes: a lock that does not come soon is given up, and the migration can be run again.
set local lock_timeout = '5s';

create table flarewatch.verification_runs (
  log uuid not null,
  due_at timestamptz not null,
  started_at timestamptz not null,
  finished_at timestamptz not null check (finished_at >= started_at),
  -- Rows that were walked: up to the end of the log, or to the finding.
  size bigint not null check (size >= 0),
  sound boolean not null,
  primary key (log, due_at)
);

alter table flarewatch.verification_runs enable row level security, force row level security;
grant insert on flarewatch.verification_runs to flarewatch_verifier;
grant select on flarewatch.verification_runs to flarewatch_gateway;

create policy "the verifier records its nights" on flarewatch.verification_runs
  for insert to flarewatch_verifier with check (size >= 0);
create policy "members see their tenant's nights" on flarewatch.verification_runs
  for select to flarewatch_gateway
  using (log = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no night" on flarewatch.verification_runs
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));

-- A bucket lists sizes as texts; receipts are compared with it page by page in the same order.
create index receipts_name_idx on flarewatch.receipts (log, (size::text collate "C"));

-- Keys that are used while the chain does not grow are an incident. When a key was last used is the connector's word.
grant select (tenant_id, last_used_at) on flarewatch.credentials to flarewatch_verifier;
create policy "the verifier sees when keys were used" on flarewatch.credentials
  for select to flarewatch_verifier using (true);
