-- The audit log: sealed rows in a hash chain per tenant. Rows can be added at the end of a chain and in no other way.
create table flarewatch.audit_heads (
  tenant_id uuid primary key references flarewatch.tenants (id),
  seq bigint not null check (seq >= 0),
  epoch integer not null,
  hash bytea not null check (octet_length(hash) = 32),
  at timestamptz not null
);

create table flarewatch.audit_log (
  tenant_id uuid not null,
  -- YYYYMM of `at` in UTC. Part of the key, since a unique key must contain the partition key.
  epoch integer not null check (epoch between 200001 and 999912),
  seq bigint not null check (seq > 0),
  row_id uuid not null,
  at timestamptz not null,
  key_version integer not null check (key_version > 0),
  -- The hash covers these side by side: a byte moved from one to the next must not go unseen.
  previous_hash bytea not null check (octet_length(previous_hash) = 32),
  actor_tag bytea not null check (octet_length(actor_tag) = 32),
  action_tag bytea not null check (octet_length(action_tag) = 32),
  target_tag bytea not null check (octet_length(target_tag) = 32),
  sealed bytea not null check (octet_length(sealed) between 285 and 65536),
  hash bytea not null check (octet_length(hash) = 32),
  received_at timestamptz not null default now(),
  primary key (tenant_id, epoch, seq)
) partition by list (epoch);

-- u32be length, then the bytes (docs/formats.md).
create function flarewatch.length_prefixed(bytes bytea) returns bytea
  language sql immutable strict parallel safe security invoker set search_path = ''
return pg_catalog.int4send(octet_length(bytes)) || bytes;

create function flarewatch.audit_genesis(tenant_id uuid) returns bytea
  language sql immutable strict parallel safe security invoker set search_path = ''
return pg_catalog.sha256(
  flarewatch.length_prefixed('flarewatch/audit-genesis/v1'::bytea) || pg_catalog.uuid_send(tenant_id)
);

create function flarewatch.audit_epoch(at timestamptz) returns integer
  language sql immutable strict parallel safe security invoker set search_path = ''
return (extract(year from at at time zone 'UTC') * 100 + extract(month from at at time zone 'UTC'))::integer;

create function flarewatch.audit_row_hash(stored flarewatch.audit_log) returns bytea
  language sql immutable strict parallel safe security invoker set search_path = ''
return pg_catalog.sha256(
  flarewatch.length_prefixed('flarewatch/audit-row/v1'::bytea)
  || pg_catalog.uuid_send((stored).tenant_id)
  || pg_catalog.int4send((stored).epoch)
  || pg_catalog.int8send((stored).seq)
  || pg_catalog.uuid_send((stored).row_id)
  || pg_catalog.int8send((extract(epoch from (stored).at) * 1000)::bigint)
  || pg_catalog.int4send((stored).key_version)
  || (stored).previous_hash
  || (stored).actor_tag
  || (stored).action_tag
  || (stored).target_tag
  || flarewatch.length_prefixed((stored).sealed)
);

-- Every refusal has a SQLSTATE of its own:
--   FW101 gap, FW102 another row is stored there, FW103 previous hash, FW104 epoch, FW105 time runs backwards,
--   FW106 time finer than the hash covers, FW107 hash, FW110 update, delete or truncate.
create function flarewatch.refuse_audit_row(sqlstate_code text, code text, tenant_id uuid, seq bigint) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
begin
  raise exception using
    errcode = sqlstate_code,
    message = code,
    detail = pg_catalog.format('tenant %s, sequence %s', tenant_id, seq);
end
$$;

create function flarewatch.is_same_audit_row(one flarewatch.audit_log, other flarewatch.audit_log) returns boolean
  language sql immutable security invoker set search_path = ''
return ((one).tenant_id, (one).epoch, (one).seq, (one).row_id, (one).at, (one).key_version, (one).previous_hash,
    (one).actor_tag, (one).action_tag, (one).target_tag, (one).sealed, (one).hash)
  is not distinct from
  ((other).tenant_id, (other).epoch, (other).seq, (other).row_id, (other).at, (other).key_version, (other).previous_hash,
    (other).actor_tag, (other).action_tag, (other).target_tag, (other).sealed, (other).hash);

-- Definer: the ledger's role may neither read nor write heads. The head's row lock puts concurrent writers of a tenant in line.
create function flarewatch.extend_audit_chain() returns trigger
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  head flarewatch.audit_heads;
  stored flarewatch.audit_log;
begin
  insert into flarewatch.audit_heads (tenant_id, seq, epoch, hash, at)
  values (new.tenant_id, 0, 0, flarewatch.audit_genesis(new.tenant_id), '-infinity')
  on conflict do nothing;
  select * into strict head from flarewatch.audit_heads where audit_heads.tenant_id = new.tenant_id for update;

  if new.seq <= head.seq then
    select * into stored from flarewatch.audit_log
    where audit_log.tenant_id = new.tenant_id and audit_log.epoch = new.epoch and audit_log.seq = new.seq;
    if found and flarewatch.is_same_audit_row(stored, new) then
      -- The ledger sends again what it has no acknowledgement for. BEFORE triggers run ahead of ON CONFLICT, so it is skipped here.
      return null;
    end if;
    perform flarewatch.refuse_audit_row('FW102', 'audit_row_conflict', new.tenant_id, new.seq);
  end if;
  if new.seq <> head.seq + 1 then
    perform flarewatch.refuse_audit_row('FW101', 'audit_sequence_gap', new.tenant_id, new.seq);
  end if;
  if new.previous_hash is distinct from head.hash then
    perform flarewatch.refuse_audit_row('FW103', 'audit_previous_hash_mismatch', new.tenant_id, new.seq);
  end if;
  if new.epoch is distinct from flarewatch.audit_epoch(new.at) then
    perform flarewatch.refuse_audit_row('FW104', 'audit_epoch_mismatch', new.tenant_id, new.seq);
  end if;
  if new.at < head.at then
    perform flarewatch.refuse_audit_row('FW105', 'audit_time_reversed', new.tenant_id, new.seq);
  end if;
  if new.at <> pg_catalog.date_trunc('milliseconds', new.at) then
    perform flarewatch.refuse_audit_row('FW106', 'audit_time_precision', new.tenant_id, new.seq);
  end if;
  if new.hash is distinct from flarewatch.audit_row_hash(new) then
    perform flarewatch.refuse_audit_row('FW107', 'audit_hash_mismatch', new.tenant_id, new.seq);
  end if;

  update flarewatch.audit_heads set seq = new.seq, epoch = new.epoch, hash = new.hash, at = new.at
  where audit_heads.tenant_id = new.tenant_id;
  return new;
end
$$;

create function flarewatch.refuse_audit_change() returns trigger
  language plpgsql volatile security invoker set search_path = ''
as $$
begin
  raise exception using
    errcode = 'FW110',
    message = 'audit_log_append_only',
    detail = pg_catalog.format('%s on %s', tg_op, tg_table_name);
end
$$;

revoke execute on function
  flarewatch.length_prefixed(bytea),
  flarewatch.audit_genesis(uuid),
  flarewatch.audit_epoch(timestamptz),
  flarewatch.audit_row_hash(flarewatch.audit_log),
  flarewatch.refuse_audit_row(text, text, uuid, bigint),
  flarewatch.is_same_audit_row(flarewatch.audit_log, flarewatch.audit_log),
  flarewatch.extend_audit_chain(),
  flarewatch.refuse_audit_change()
from public;

create trigger extend_chain before insert on flarewatch.audit_log
  for each row execute function flarewatch.extend_audit_chain();
create trigger refuse_change before update or delete or truncate on flarewatch.audit_log
  for each statement execute function flarewatch.refuse_audit_change();
alter table flarewatch.audit_heads enable row level security, force row level security;
-- ALWAYS: the triggers also fire in a session that calls itself a replica.
alter table flarewatch.audit_log
  enable row level security,
  force row level security,
  enable always trigger extend_chain,
  enable always trigger refuse_change;

grant
  insert (
    tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash
  ),
  select (tenant_id, epoch, seq, hash)
on flarewatch.audit_log to flarewatch_ledger;
grant select (
  tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash
) on flarewatch.audit_log to flarewatch_gateway, flarewatch_vault, flarewatch_verifier;
grant select on flarewatch.audit_heads to flarewatch_verifier;

create policy "the ledger sees where every chain ends" on flarewatch.audit_log
  for select to flarewatch_ledger using (true);
create policy "the ledger adds rows that extend a chain" on flarewatch.audit_log
  for insert to flarewatch_ledger with check (seq > 0);
create policy "members see their tenant's sealed rows at AAL2" on flarewatch.audit_log
  for select to flarewatch_gateway
  using (
    tenant_id = (select flarewatch.claim_tenant())
    and (select flarewatch.is_member())
    and (select flarewatch.claim_is_aal2())
  );
create policy "a user without verified TOTP sees no audit row" on flarewatch.audit_log
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the vault sees every sealed row" on flarewatch.audit_log
  for select to flarewatch_vault using (true);
create policy "the verifier sees every sealed row" on flarewatch.audit_log
  for select to flarewatch_verifier using (true);
create policy "the verifier sees every head" on flarewatch.audit_heads
  for select to flarewatch_verifier using (true);
