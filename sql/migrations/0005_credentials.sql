-- Sealed credentials, and the sites that each one reaches.
create table flarewatch.credentials (
  id uuid primary key,
  tenant_id uuid not null references flarewatch.tenants (id),
  provider text not null check (provider in ('cloudflare')),
  label text not null check (char_length(label) between 1 and 120),
  kek_version integer not null check (kek_version > 0),
  wrapped_dek bytea not null check (octet_length(wrapped_dek) = 60),
  dek_version integer not null,
  salt bytea not null check (octet_length(salt) = 32),
  -- Version byte, commitment, nonce and tag are 61 bytes; the longest secret that a function takes is 512 characters.
  ciphertext bytea not null check (octet_length(ciphertext) between 62 and 4096),
  last4 text not null check (char_length(last4) = 4),
  scope text not null check (char_length(scope) <= 1000),
  grade text not null check (grade in ('read_only', 'over_scoped', 'not_proven_read_only')),
  state text not null default 'active' check (state in ('active', 'parked')),
  reason text check (reason ~ '^[a-z][a-z0-9_]{0,63}$'),
  next_poll_at timestamptz not null,
  last_used_at timestamptz,
  last_success_at timestamptz,
  created_by uuid not null,
  created_at timestamptz not null default now(),
  unique (tenant_id, id),
  foreign key (tenant_id, dek_version) references flarewatch.tenant_keys (tenant_id, version)
);
create index credentials_dek_idx on flarewatch.credentials (tenant_id, dek_version);
create index credentials_due_idx on flarewatch.credentials (next_poll_at) where state = 'active';

create table flarewatch.sites (
  id uuid primary key,
  tenant_id uuid not null,
  credential_id uuid not null,
  provider text not null check (provider in ('cloudflare')),
  provider_ref text not null check (char_length(provider_ref) between 1 and 128),
  name text not null check (char_length(name) between 1 and 253),
  time_zone text not null default 'UTC' check (char_length(time_zone) between 1 and 64),
  created_at timestamptz not null default now(),
  unique (tenant_id, id),
  unique (tenant_id, provider, provider_ref),
  -- Both columns: a site of one tenant can never hang on another's credential.
  foreign key (tenant_id, credential_id) references flarewatch.credentials (tenant_id, id)
);
create index sites_credential_idx on flarewatch.sites (tenant_id, credential_id);

alter table flarewatch.credentials enable row level security, force row level security;
alter table flarewatch.sites enable row level security, force row level security;

-- V6: the line that people see. What is sealed is not granted to the gateway at all.
grant select (
  id, tenant_id, provider, label, last4, scope, grade, state, reason, last_used_at, last_success_at, created_at
) on flarewatch.credentials to flarewatch_gateway;
grant select on flarewatch.sites to flarewatch_gateway;

-- The vault opens wraps and never sees what they open.
grant select (id, tenant_id, provider, kek_version, wrapped_dek, dek_version, salt, state)
on flarewatch.credentials to flarewatch_vault;
grant select (id, tenant_id, state, next_poll_at), update (next_poll_at)
on flarewatch.credentials to flarewatch_scheduler;

create policy "members see their tenant's credential lines" on flarewatch.credentials
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no credential line" on flarewatch.credentials
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the vault sees every credential's wrap" on flarewatch.credentials
  for select to flarewatch_vault using (true);
create policy "the scheduler sees when every credential is due" on flarewatch.credentials
  for select to flarewatch_scheduler using (true);
create policy "the scheduler moves the due time of active credentials" on flarewatch.credentials
  for update to flarewatch_scheduler using (state = 'active') with check (state = 'active');

create policy "members see their tenant's sites" on flarewatch.sites
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no site" on flarewatch.sites
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
