-- What the verifier signed, what went wrong, and what is to be mailed. Neither receipts nor incidents refer to tenants by foreign key:
-- they must be writable, and stay, when a tenant's row is gone.
create table flarewatch.receipts (
  log uuid not null,
  size bigint not null check (size >= 0),
  root bytea not null check (octet_length(root) = 32),
  chain_head bytea not null check (octet_length(chain_head) = 32),
  note text not null check (char_length(note) <= 4096),
  at timestamptz not null,
  primary key (log, size)
);

create table flarewatch.incidents (
  id uuid primary key,
  tenant_id uuid,
  kind text not null check (kind ~ '^[a-z][a-z0-9_]{0,63}$'),
  seq bigint,
  part text not null check (part ~ '^[a-z][a-z0-9-]{0,63}$'),
  detail jsonb not null default '{}' check (pg_column_size(detail) <= 16384),
  at timestamptz not null,
  acknowledged_at timestamptz
);
create index incidents_tenant_idx on flarewatch.incidents (tenant_id, at);

create table flarewatch.mail_outbox (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references flarewatch.tenants (id),
  kind text not null check (kind ~ '^[a-z][a-z0-9_]{0,63}$'),
  payload jsonb not null,
  created_at timestamptz not null default now(),
  sent_at timestamptz
);
create index mail_outbox_tenant_idx on flarewatch.mail_outbox (tenant_id);

alter table flarewatch.receipts enable row level security, force row level security;
alter table flarewatch.incidents enable row level security, force row level security;
alter table flarewatch.mail_outbox enable row level security, force row level security;

grant select on flarewatch.receipts, flarewatch.incidents to flarewatch_gateway;
grant select, insert on flarewatch.receipts to flarewatch_verifier;
grant insert (id, tenant_id, kind, seq, part, detail, at) on flarewatch.incidents to
  flarewatch_connector,
  flarewatch_vault,
  flarewatch_ledger,
  flarewatch_verifier;

create policy "members see their tenant's receipts" on flarewatch.receipts
  for select to flarewatch_gateway
  using (log = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no receipt" on flarewatch.receipts
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the verifier sees every receipt" on flarewatch.receipts
  for select to flarewatch_verifier using (true);
create policy "the verifier adds receipts" on flarewatch.receipts
  for insert to flarewatch_verifier with check (size >= 0);

create policy "members see their tenant's incidents" on flarewatch.incidents
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no incident" on flarewatch.incidents
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the connector raises incidents in its own name" on flarewatch.incidents
  for insert to flarewatch_connector with check (part = 'connector');
create policy "the vault raises incidents in its own name" on flarewatch.incidents
  for insert to flarewatch_vault with check (part = 'vault');
create policy "the ledger raises incidents in its own name" on flarewatch.incidents
  for insert to flarewatch_ledger with check (part = 'durable-objects');
create policy "the verifier raises incidents in its own name" on flarewatch.incidents
  for insert to flarewatch_verifier with check (part = 'verifier');

create policy "nobody reaches the outbox yet" on flarewatch.mail_outbox
  as restrictive for all to public using (false) with check (false);
