-- A tenant's DEK is rotated by adding a version, re-sealing record by record in the connector's memory, and destroying the version
-- that no record names any more. Where a rotation stands is what the rows say: each crash leaves a state that goes on from there.

-- Jobs are claimed all the time: a lock that does not come soon is given up, and the migration can be run again.
set local lock_timeout = '5s';

-- False while records are left on an older version, and for a tenant that is not active: the caller then has no new version.
create function flarewatch.add_dek(tenant_id uuid, version integer, kek_version integer, wrapped_dek bytea) returns boolean
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  newest integer;
begin
  -- Two rotations at once: the second waits here and then finds the first one's version.
  perform from flarewatch.tenants where tenants.id = add_dek.tenant_id and tenants.state = 'active' for update;
  if not found then
    return false;
  end if;
  select max(tenant_keys.version) into newest from flarewatch.tenant_keys where tenant_keys.tenant_id = add_dek.tenant_id;
  if newest is null or add_dek.version <> newest + 1 or exists (
    select from flarewatch.tenant_keys
    where tenant_keys.tenant_id = add_dek.tenant_id and tenant_keys.version < newest
  ) then
    return false;
  end if;
  insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
  values (add_dek.tenant_id, add_dek.version, add_dek.kek_version, add_dek.wrapped_dek);
  return true;
end
$$;

-- The versions destroyed. A store under way that was given such a version is refused.
create function flarewatch.destroy_old_deks(tenant_id uuid) returns setof integer
  language sql volatile security definer set search_path = ''
begin atomic
  delete from flarewatch.tenant_keys as old
  where old.tenant_id = destroy_old_deks.tenant_id
    and old.version < (
      select max(newest.version) from flarewatch.tenant_keys as newest where newest.tenant_id = destroy_old_deks.tenant_id
    )
    and not exists (
      select from flarewatch.credentials
      where credentials.tenant_id = old.tenant_id and credentials.dek_version = old.version
    )
  returning old.version;
end;

-- As before, but a record under a version that was destroyed meanwhile is refused by name; whoever stored stores again.
create or replace function flarewatch.insert_credential(request jsonb) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  credential constant jsonb := request -> 'credential';
begin
  -- FW008. Held until the record is there: a version that is being destroyed is waited for, and then gone.
  perform from flarewatch.tenant_keys
  where tenant_keys.tenant_id = (request ->> 'tenant_id')::uuid
    and tenant_keys.version = (credential ->> 'dek_version')::integer
  for key share;
  if not found then
    perform flarewatch.refuse_request('FW008', 'tenant_key_rotated');
  end if;
  insert into flarewatch.credentials (
    id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt, ciphertext,
    last4, scope, grade, next_poll_at, created_by
  ) values (
    (credential ->> 'id')::uuid,
    (request ->> 'tenant_id')::uuid,
    credential ->> 'provider',
    credential ->> 'label',
    (credential ->> 'kek_version')::integer,
    flarewatch.from_base64url(credential ->> 'wrapped_dek'),
    (credential ->> 'dek_version')::integer,
    flarewatch.from_base64url(credential ->> 'salt'),
    flarewatch.from_base64url(credential ->> 'ciphertext'),
    credential ->> 'last4',
    credential ->> 'scope',
    credential ->> 'grade',
    (request ->> 'at')::timestamptz,
    (request ->> 'user_id')::uuid
  )
  on conflict (id) do nothing;
  if not found then
    perform flarewatch.refuse_request('FW005', 'credential_exists');
  end if;
end
$$;

-- Compare and swap: only for the bound job's own credential, only while its record is still on the version that was read, and only
-- as part of the transaction that ends the job.
create function flarewatch.reseal_credential(
  from_version integer,
  to_version integer,
  kek_version integer,
  wrapped_dek bytea,
  salt bytea,
  ciphertext bytea
) returns boolean
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform from flarewatch.jobs
  where jobs.id = flarewatch.bound_job_id() and jobs.kind = 'reseal' and jobs.state = 'leased'
    and jobs.lease_until > flarewatch.bound_at()
  for update;
  if not found or reseal_credential.to_version <= reseal_credential.from_version then
    return false;
  end if;
  update flarewatch.credentials as record set
    kek_version = reseal_credential.kek_version,
    wrapped_dek = reseal_credential.wrapped_dek,
    dek_version = reseal_credential.to_version,
    salt = reseal_credential.salt,
    ciphertext = reseal_credential.ciphertext
  where record.id = flarewatch.leased_credential()
    and record.tenant_id = flarewatch.leased_tenant()
    and record.dek_version = reseal_credential.from_version;
  return found;
end
$$;

-- Each re-seal is a release at the connector's door; polls need that budget too (4000 a tenant and hour).
create function flarewatch.reseals_per_hour() returns integer
  language sql immutable security invoker set search_path = ''
return 1000;

-- How long a record that could not be re-sealed is left alone.
create function flarewatch.reseal_pause() returns interval
  language sql immutable security invoker set search_path = ''
return interval '15 minutes';

-- Records that are behind their tenant's newest DEK and that nobody is re-sealing. Parked ones too: a key that is to go must open
-- nothing. Definer, since the scheduler reads neither keys nor tenants.
create function flarewatch.resealable(at timestamptz, batch integer) returns table (credential_id uuid, tenant_id uuid)
  language sql stable security definer set search_path = ''
begin atomic
  with rotating as (
    select tenant_keys.tenant_id, max(tenant_keys.version) as newest
    from flarewatch.tenant_keys join flarewatch.tenants on tenants.id = tenant_keys.tenant_id and tenants.state = 'active'
    group by tenant_keys.tenant_id
    having count(*) > 1
  ), behind as (
    select
      credentials.id,
      credentials.tenant_id,
      row_number() over (partition by credentials.tenant_id order by credentials.id) as place
    from rotating join flarewatch.credentials
      on credentials.tenant_id = rotating.tenant_id and credentials.dek_version < rotating.newest
    where not exists (
      select from flarewatch.jobs
      where jobs.tenant_id = credentials.tenant_id and jobs.credential_id = credentials.id and jobs.kind = 'reseal'
        and (jobs.state = 'leased' or jobs.finished_at > resealable.at - flarewatch.reseal_pause())
    )
  )
  select behind.id, behind.tenant_id
  from behind
  where behind.place <= flarewatch.reseals_per_hour() - (
    select count(*) from flarewatch.jobs
    where jobs.tenant_id = behind.tenant_id and jobs.kind = 'reseal'
      and jobs.created_at > resealable.at - interval '1 hour' and jobs.created_at <= resealable.at
  )
  order by behind.place, behind.id
  limit resealable.batch;
end;

-- Where a tenant's rotation stands; no row for a tenant without a DEK.
create function flarewatch.dek_standing(tenant_id uuid, at timestamptz)
returns table (newest integer, versions integer[], credentials bigint, behind bigint, failing bigint)
  language sql stable security definer set search_path = ''
begin atomic
  with deks as (
    select max(tenant_keys.version) as newest, array_agg(tenant_keys.version order by tenant_keys.version) as versions
    from flarewatch.tenant_keys where tenant_keys.tenant_id = dek_standing.tenant_id
    having count(*) > 0
  ), record as (
    select
      credentials.dek_version < deks.newest as is_behind,
      exists (
        select from flarewatch.jobs
        where jobs.tenant_id = credentials.tenant_id and jobs.credential_id = credentials.id and jobs.kind = 'reseal'
          and jobs.finished_at > dek_standing.at - flarewatch.reseal_pause()
      ) as is_paused
    from deks join flarewatch.credentials on credentials.tenant_id = dek_standing.tenant_id
  )
  select
    deks.newest,
    deks.versions,
    (select count(*) from record),
    (select count(*) from record where record.is_behind),
    (select count(*) from record where record.is_behind and record.is_paused)
  from deks;
end;

-- As before, and then the records that are to be re-sealed: polls come first.
create or replace function flarewatch.claim_due(at timestamptz, lease_seconds integer, batch integer)
returns table (job_id uuid, credential_id uuid, attempt integer)
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  lease_end constant timestamptz := at + pg_catalog.make_interval(secs => lease_seconds);
  claimed integer;
  polled integer;
begin
  return query
    with lost as (
      select job.id
      from flarewatch.jobs as job
      where job.state = 'leased' and job.lease_until <= claim_due.at
      order by job.lease_until
      limit batch
      for update skip locked
    ), leased_again as (
      update flarewatch.jobs as job set
        state = case when job.attempt < flarewatch.max_attempts() then 'leased' else 'dead' end,
        outcome = case when job.attempt < flarewatch.max_attempts() then job.outcome else 'lease_expired' end,
        finished_at = case when job.attempt < flarewatch.max_attempts() then null else claim_due.at end,
        lease_until = case when job.attempt < flarewatch.max_attempts() then lease_end else job.lease_until end,
        attempt = case when job.attempt < flarewatch.max_attempts() then job.attempt + 1 else job.attempt end
      from lost
      where job.id = lost.id
      returning job.id, job.credential_id, job.attempt, job.state
    )
    select again.id, again.credential_id, again.attempt from leased_again as again where again.state = 'leased';
  get diagnostics claimed = row_count;

  return query
    with due as (
      select credential.id, credential.tenant_id
      from flarewatch.credentials as credential
      where credential.state = 'active'
        and credential.next_poll_at <= claim_due.at
        and not exists (
          select from flarewatch.jobs as job
          where job.credential_id = credential.id and job.kind = 'poll' and job.state = 'leased'
        )
      order by credential.next_poll_at
      limit greatest(batch - claimed, 0)
      for update skip locked
    ), postponed as (
      update flarewatch.credentials as credential
      set next_poll_at = claim_due.at + flarewatch.poll_interval()
      from due
      where credential.id = due.id
    )
    insert into flarewatch.jobs as job (tenant_id, credential_id, kind, state, attempt, lease_until, created_at)
    select due.tenant_id, due.id, 'poll', 'leased', 1, lease_end, claim_due.at from due
    -- A lease committed between the look and the lock: that job serves.
    on conflict do nothing
    returning job.id, job.credential_id, job.attempt;
  get diagnostics polled = row_count;

  return query
    insert into flarewatch.jobs as job (tenant_id, credential_id, kind, state, attempt, lease_until, created_at)
    select behind.tenant_id, behind.credential_id, 'reseal', 'leased', 1, lease_end, claim_due.at
    from flarewatch.resealable(claim_due.at, greatest(batch - claimed - polled, 0)) as behind
    on conflict do nothing
    returning job.id, job.credential_id, job.attempt;
end
$$;

-- Which credentials are due is a question of polls alone.
create or replace function flarewatch.stack_status(at timestamptz)
returns table (
  jobs_leased bigint,
  jobs_due bigint,
  oldest_due_at timestamptz,
  newest_job_at timestamptz,
  dead_letters_24h bigint,
  audit_rows bigint
)
  language sql stable security definer set search_path = ''
begin atomic
  with mine as (
    select flarewatch.claim_tenant() as tenant_id where flarewatch.is_member() and flarewatch.totp_enrolled()
  ), job as (
    select
      count(*) filter (where jobs.state = 'leased') as leased,
      count(*) filter (
        where jobs.state = 'dead'
          and jobs.finished_at > stack_status.at - interval '24 hours' and jobs.finished_at <= stack_status.at
      ) as dead,
      max(jobs.created_at) as newest
    from flarewatch.jobs join mine on jobs.tenant_id = mine.tenant_id
  ), due as (
    select count(*) as credentials, min(credentials.next_poll_at) as oldest
    from flarewatch.credentials join mine on credentials.tenant_id = mine.tenant_id
    where credentials.state = 'active' and credentials.next_poll_at <= stack_status.at
      and not exists (
        select from flarewatch.jobs
        where jobs.credential_id = credentials.id and jobs.kind = 'poll' and jobs.state = 'leased'
      )
  )
  select job.leased, due.credentials, due.oldest, job.newest, job.dead, coalesce(audit_heads.seq, 0)
  from mine
    cross join job
    cross join due
    left join flarewatch.audit_heads on audit_heads.tenant_id = mine.tenant_id;
end;

revoke execute on function
  flarewatch.add_dek(uuid, integer, integer, bytea),
  flarewatch.destroy_old_deks(uuid),
  flarewatch.reseal_credential(integer, integer, integer, bytea, bytea, bytea),
  flarewatch.reseals_per_hour(),
  flarewatch.reseal_pause(),
  flarewatch.resealable(timestamptz, integer),
  flarewatch.dek_standing(uuid, timestamptz)
from public;
grant execute on function
  flarewatch.add_dek(uuid, integer, integer, bytea),
  flarewatch.destroy_old_deks(uuid),
  flarewatch.dek_standing(uuid, timestamptz)
to flarewatch_vault;
grant execute on function flarewatch.reseal_credential(integer, integer, integer, bytea, bytea, bytea)
to flarewatch_connector;
grant execute on function flarewatch.resealable(timestamptz, integer) to flarewatch_scheduler;

-- A record is re-sealed beside its polls: neither waits for the other. Last, and as one statement: it has the table to itself.
create unique index jobs_one_lease_per_kind on flarewatch.jobs (credential_id, kind) where state = 'leased';
do $$
begin
  drop index flarewatch.jobs_one_lease_per_credential;
  alter table flarewatch.jobs
    drop constraint jobs_kind_check,
    add constraint jobs_kind_check check (kind in ('poll', 'reseal'));
end
$$;
