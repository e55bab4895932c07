-- Wrapped keys. Every byte here is useless without the KEK (Cloudflare secret) and the tenant's share (ledger).
create table flarewatch.kek_checks (
  kek_version integer primary key check (kek_version > 0),
  check_value bytea not null check (octet_length(check_value) = 32),
  first_seen_at timestamptz not null default now()
);

create table flarewatch.tenant_keys (
  tenant_id uuid not null references flarewatch.tenants (id),
  version integer not null check (version > 0),
  kek_version integer not null check (kek_version > 0),
  wrapped_dek bytea not null check (octet_length(wrapped_dek) = 60),
  created_at timestamptz not null default now(),
  primary key (tenant_id, version)
);

create table flarewatch.audit_keys (
  tenant_id uuid not null references flarewatch.tenants (id),
  version integer not null check (version > 0),
  kek_version integer not null check (kek_version > 0),
  wrapped_key bytea not null check (octet_length(wrapped_key) = 60),
  created_at timestamptz not null default now(),
  primary key (tenant_id, version)
);

alter table flarewatch.kek_checks enable row level security, force row level security;
alter table flarewatch.tenant_keys enable row level security, force row level security;
alter table flarewatch.audit_keys enable row level security, force row level security;

grant select (kek_version, check_value), insert (kek_version, check_value, first_seen_at)
on flarewatch.kek_checks to flarewatch_vault;
grant select (tenant_id, version, kek_version, wrapped_dek) on flarewatch.tenant_keys to flarewatch_vault;
grant select (tenant_id, version, kek_version, wrapped_key) on flarewatch.audit_keys to flarewatch_vault;

create policy "the vault reads the check value of every KEK version" on flarewatch.kek_checks
  for select to flarewatch_vault using (true);
create policy "the vault records a KEK version that it sees for the first time" on flarewatch.kek_checks
  for insert to flarewatch_vault with check (kek_version > 0);
create policy "the vault reads every wrapped DEK" on flarewatch.tenant_keys
  for select to flarewatch_vault using (true);
create policy "the vault reads every wrapped audit key" on flarewatch.audit_keys
  for select to flarewatch_vault using (true);
