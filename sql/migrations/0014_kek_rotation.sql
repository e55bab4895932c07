-- Rotation of the KEK: wraps move from one version to another in batches, each row by comparing what it holds.

-- An index takes a lock that stops writes: one that does not come soon is given up, and the migration can be run again.
set local lock_timeout = '5s';

-- Rows by version: what a vault isolate asks at its start, and how a rotation finds what is left.
create index tenant_keys_kek_version_idx on flarewatch.tenant_keys (kek_version, tenant_id);
create index audit_keys_kek_version_idx on flarewatch.audit_keys (kek_version, tenant_id);
create index credentials_kek_version_idx on flarewatch.credentials (kek_version, tenant_id, id);

-- Which versions wrap anything: a few steps through each index, however many rows there are.
create function flarewatch.used_kek_versions() returns setof integer
  language sql stable security invoker set search_path = ''
begin atomic
  with recursive tenant_key (version) as (
    select min(kek_version) from flarewatch.tenant_keys
    union all
    select (select min(k.kek_version) from flarewatch.tenant_keys k where k.kek_version > tenant_key.version)
    from tenant_key where tenant_key.version is not null
  ), audit_key (version) as (
    select min(kek_version) from flarewatch.audit_keys
    union all
    select (select min(k.kek_version) from flarewatch.audit_keys k where k.kek_version > audit_key.version)
    from audit_key where audit_key.version is not null
  ), credential (version) as (
    select min(kek_version) from flarewatch.credentials
    union all
    select (select min(c.kek_version) from flarewatch.credentials c where c.kek_version > credential.version)
    from credential where credential.version is not null
  )
  select version from tenant_key where version is not null
  union
  select version from audit_key where version is not null
  union
  select version from credential where version is not null;
end;

revoke execute on function flarewatch.used_kek_versions() from public;
grant execute on function flarewatch.used_kek_versions() to flarewatch_vault;

-- Who is re-wrapping a tenant now: of two messages for one tenant, one works. A lease that ran out is taken over. Without a foreign
-- key: who works on a tenant must not be in the way of its deletion.
create table flarewatch.rewrap_leases (
  tenant_id uuid primary key,
  lease uuid not null,
  lease_until timestamptz not null
);

alter table flarewatch.rewrap_leases enable row level security, force row level security;

grant select, insert, update (lease, lease_until) on flarewatch.rewrap_leases to flarewatch_vault;
grant update (kek_version, wrapped_dek) on flarewatch.tenant_keys to flarewatch_vault;
grant update (kek_version, wrapped_key) on flarewatch.audit_keys to flarewatch_vault;
grant update (kek_version, wrapped_dek) on flarewatch.credentials to flarewatch_vault;

create policy "the vault sees who re-wraps a tenant" on flarewatch.rewrap_leases
  for select to flarewatch_vault using (true);
create policy "the vault begins to re-wrap a tenant" on flarewatch.rewrap_leases
  for insert to flarewatch_vault with check (lease_until > '-infinity');
create policy "the vault takes over, extends or ends a re-wrapping" on flarewatch.rewrap_leases
  for update to flarewatch_vault using (true) with check (lease_until > '-infinity');

create policy "the vault wraps a DEK under a KEK version with a check value" on flarewatch.tenant_keys
  for update to flarewatch_vault
  using (true)
  with check (exists (select from flarewatch.kek_checks where kek_checks.kek_version = tenant_keys.kek_version));
create policy "the vault wraps an audit key under a KEK version with a check value" on flarewatch.audit_keys
  for update to flarewatch_vault
  using (true)
  with check (exists (select from flarewatch.kek_checks where kek_checks.kek_version = audit_keys.kek_version));
create policy "the vault wraps a credential's DEK under a KEK version with a check value" on flarewatch.credentials
  for update to flarewatch_vault
  using (true)
  with check (exists (select from flarewatch.kek_checks where kek_checks.kek_version = credentials.kek_version));
