-- Deleting a tenant. Members are out with the first step; what the tenant's keys opened is lost with the ledger's shares; then its rows
-- go in batches. The chain, its head, receipts and incidents stay, and so does the tenant's id, which nobody can take again.

set local lock_timeout = '5s';

-- The verifier's signed word that a tenant's keys are destroyed.
create table flarewatch.shreddings (
  log uuid primary key,
  note text not null check (char_length(note) <= 4096),
  at timestamptz not null
);
alter table flarewatch.shreddings enable row level security, force row level security;
grant select, insert on flarewatch.shreddings to flarewatch_verifier;
grant select (log, note) on flarewatch.shreddings to flarewatch_vault;
create policy "the verifier sees every shredding certificate" on flarewatch.shreddings
  for select to flarewatch_verifier using (true);
create policy "the verifier adds shredding certificates" on flarewatch.shreddings
  for insert to flarewatch_verifier with check (char_length(note) > 0);
create policy "the vault sees every shredding certificate" on flarewatch.shreddings
  for select to flarewatch_vault using (true);

-- The state that the tenant is in afterwards; `name_mismatch` when whoever asks does not know its name; null for no tenant. Without
-- members nobody reads, stores or takes up the birth again; without active credentials and leases nothing is polled.
create function flarewatch.begin_tenant_deletion(tenant_id uuid, name text, at timestamptz) returns text
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  doomed flarewatch.tenants;
begin
  select * into doomed from flarewatch.tenants where tenants.id = begin_tenant_deletion.tenant_id for update;
  if not found or doomed.state = 'deleted' then
    return doomed.state;
  end if;
  if doomed.name <> begin_tenant_deletion.name then
    return 'name_mismatch';
  end if;
  update flarewatch.tenants set state = 'deleting', deleting_since = begin_tenant_deletion.at
  where tenants.id = doomed.id and tenants.state <> 'deleting';
  delete from flarewatch.members where members.tenant_id = doomed.id;
  update flarewatch.credentials set state = 'parked', reason = 'tenant_deleted' where credentials.tenant_id = doomed.id;
  update flarewatch.jobs set state = 'dead', outcome = 'tenant_deleted', finished_at = begin_tenant_deletion.at
  where jobs.tenant_id = doomed.id and jobs.state = 'leased';
  return 'deleting';
end
$$;

-- One batch of what is left of a tenant that is being deleted, children before parents: how many rows it took. 0 ends the deletion.
create function flarewatch.erase_tenant(tenant_id uuid, batch integer, at timestamptz) returns integer
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  doomed constant uuid := tenant_id;
  erased integer;
  part text;
begin
  perform from flarewatch.tenants where tenants.id = doomed and tenants.state = 'deleting' for update;
  if not found then
    return 0;
  end if;
  foreach part in array array[
    'facts_hourly', 'facts_daily', 'cursors', 'sites', 'jobs', 'credentials', 'tenant_keys', 'audit_keys', 'members', 'mail_outbox'
  ] loop
    -- tableoid: in partitions ctid alone is not unique.
    execute pg_catalog.format(
      'delete from flarewatch.%1$I as gone using (
         select tableoid as part, ctid as place from flarewatch.%1$I where tenant_id = $1 limit $2
       ) as chosen where gone.tableoid = chosen.part and gone.ctid = chosen.place',
      part
    ) using doomed, batch;
    get diagnostics erased = row_count;
    if erased > 0 then
      return erased;
    end if;
  end loop;
  update flarewatch.tenants set state = 'deleted', deleted_at = erase_tenant.at, name = 'deleted' where tenants.id = doomed;
  return 0;
end
$$;

-- Wraps and records of a tenant: none may be left when its shredding is certified.
create function flarewatch.keys_left(tenant_id uuid) returns bigint
  language sql stable security definer set search_path = ''
return (select count(*) from flarewatch.tenant_keys where tenant_keys.tenant_id = keys_left.tenant_id)
  + (select count(*) from flarewatch.audit_keys where audit_keys.tenant_id = keys_left.tenant_id)
  + (select count(*) from flarewatch.credentials where credentials.tenant_id = keys_left.tenant_id);

revoke execute on function
  flarewatch.begin_tenant_deletion(uuid, text, timestamptz),
  flarewatch.erase_tenant(uuid, integer, timestamptz),
  flarewatch.keys_left(uuid)
from public;
grant execute on function
  flarewatch.begin_tenant_deletion(uuid, text, timestamptz), flarewatch.erase_tenant(uuid, integer, timestamptz)
to flarewatch_vault;
grant execute on function flarewatch.keys_left(uuid) to flarewatch_verifier;

-- Last, and as one statement: it has the table to itself. The old checks are found by what they say, since an unnamed one has a name of
-- Postgres's own making.
do $$
declare
  old record;
begin
  for old in
    select conname from pg_catalog.pg_constraint
    where conrelid = 'flarewatch.tenants'::regclass and contype = 'c' and pg_get_constraintdef(oid) like '%state%'
  loop
    execute pg_catalog.format('alter table flarewatch.tenants drop constraint %I', old.conname);
  end loop;
  alter table flarewatch.tenants
    add column deleting_since timestamptz,
    add column deleted_at timestamptz,
    add constraint tenants_state_check check (state in ('pending', 'active', 'deleting', 'deleted')),
    add constraint tenants_activated_check check (
      (state <> 'active' or activated_at is not null) and (state <> 'pending' or activated_at is null)
    ),
    add constraint tenants_deleted_check check (
      (state in ('deleting', 'deleted')) = (deleting_since is not null) and (state = 'deleted') = (deleted_at is not null)
    );
  grant select (deleting_since) on flarewatch.tenants to flarewatch_verifier;
end
$$;
