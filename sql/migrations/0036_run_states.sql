-- pgls-ignore-all lint/safety/renamingColumn: what reads it are our own Workers, which are deployed with it; a run under way meanwhile ends with its lease
-- pgls-ignore-all lint/safety/banDropColumn: what stood there stands in `reason`
-- pgls-ignore-all lint/safety/runningStatementWhileHoldingAccessExclusive: the table is altered last, and grants, views and indexes are all that follows

-- How a run ended and why, apart; what that says of a credential; and what becomes of runs that were given up (ADR 0025).

-- Jobs are claimed all the time: a lock that does not come soon is given up, and the migration can be run again.
set local lock_timeout = '5s';

-- Polls that ended, by credential, UTC day and state: seven days of them are read for each credential, and never the runs themselves.
create table flarewatch.run_counts (
  credential_id uuid not null,
  day date not null,
  run_state text not null check (run_state in ('complete', 'partial', 'throttled', 'empty', 'parked', 'failed')),
  tenant_id uuid not null,
  runs integer not null check (runs > 0),
  primary key (credential_id, day, run_state),
  foreign key (tenant_id, credential_id) references flarewatch.credentials (tenant_id, id) on delete cascade
);
create index run_counts_tenant_idx on flarewatch.run_counts (tenant_id, credential_id);
create index run_counts_day_idx on flarewatch.run_counts (day);
alter table flarewatch.run_counts enable row level security, force row level security;

-- One statement: the table is held together or not at all.
do $$
declare
  old record;
begin
  alter table flarewatch.jobs rename column outcome to reason;
  alter table flarewatch.jobs
    add column run_state text,
    add column replayed_at timestamptz,
    add column replayed_by uuid,
    -- No foreign key: the job that took its place is gone before it.
    add column replayed_as uuid;
  -- What a run of before was is in its one word.
  update flarewatch.jobs set
    run_state = case
      when reason in ('ok', 'resealed') then 'complete'
      when reason in ('partial', 'throttled', 'empty') then reason
      when reason in ('provider_unauthorized', 'provider_forbidden', 'credential_parked') then 'parked'
      else 'failed'
    end,
    reason = case when reason in ('ok', 'resealed', 'partial', 'throttled', 'empty') then detail else reason end
  where state <> 'leased';
  -- Unnamed checks have a name of Postgres's own making: they are found by what they say.
  for old in
    select conname from pg_catalog.pg_constraint
    where conrelid = 'flarewatch.jobs'::regclass and contype = 'c' and pg_get_constraintdef(oid) like '%attempt%'
  loop
    execute pg_catalog.format('alter table flarewatch.jobs drop constraint %I', old.conname);
  end loop;
  alter table flarewatch.jobs
    drop column detail,
    -- 0: to be sent for the first time, by whoever finds that its lease has run out.
    add constraint jobs_attempt_check check (attempt >= 0),
    add constraint jobs_run_state_check check (
      run_state is null
      or (run_state in ('complete', 'partial', 'throttled', 'empty', 'parked', 'failed') and finished_at is not null)
    ),
    add constraint jobs_replayed_check check (
      num_nulls(replayed_at, replayed_by, replayed_as) in (0, 3) and (replayed_at is null or state = 'dead')
    );
  alter view warehouse.runs rename column outcome to reason;
  create or replace view warehouse.runs with (security_invoker = true) as
    select id as run_id, kind, state, attempt, reason, created_at, finished_at, run_state from flarewatch.jobs;
end
$$;

-- The last run of a kind; what waits to be replayed; what is old; when a tenant's newest was made.
create index jobs_run_idx on flarewatch.jobs (tenant_id, credential_id, kind, finished_at);
create index jobs_dead_idx on flarewatch.jobs (tenant_id, finished_at) where state = 'dead';
create index jobs_ended_idx on flarewatch.jobs (finished_at) where state in ('done', 'failed');
create index jobs_buried_idx on flarewatch.jobs (finished_at) where state = 'dead';
create index jobs_newest_idx on flarewatch.jobs (tenant_id, created_at);
drop index flarewatch.jobs_credential_idx;

grant select (run_state), update (run_state) on flarewatch.jobs to flarewatch_scheduler, flarewatch_connector;
grant select (run_state) on flarewatch.jobs to flarewatch_console;
grant select (tenant_id, credential_id, kind, run_state, reason, finished_at) on flarewatch.jobs to flarewatch_gateway;
grant select (site_id, tenant_id, dataset, complete_until) on flarewatch.cursors to flarewatch_gateway;
grant select on flarewatch.run_counts to flarewatch_gateway;
grant select (next_poll_at) on flarewatch.credentials to flarewatch_gateway;

create policy "members see how their tenant's runs ended" on flarewatch.jobs
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no run" on flarewatch.jobs
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "members see how far their tenant's sites are read" on flarewatch.cursors
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no cursor" on flarewatch.cursors
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "members see how many of their tenant's runs ended how" on flarewatch.run_counts
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no count of runs" on flarewatch.run_counts
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));

-- A trigger, since connector, scheduler and functions all end runs: whichever it is, the run is counted with its end or not at all.
create function flarewatch.count_run() returns trigger
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  insert into flarewatch.run_counts as counted (credential_id, day, run_state, tenant_id, runs)
  values (new.credential_id, (new.finished_at at time zone 'UTC')::date, new.run_state, new.tenant_id, 1)
  on conflict (credential_id, day, run_state) do update set runs = counted.runs + 1;
  return null;
end
$$;
create trigger count_run after update of run_state on flarewatch.jobs
  for each row when (new.kind = 'poll' and old.run_state is null and new.run_state is not null)
  execute function flarewatch.count_run();

-- The share of runs that are to be complete. Held against `RUN_OBJECTIVE` in the domain, as the days are against `BUDGET_DAYS`.
create function flarewatch.run_objective() returns numeric
  language sql immutable parallel safe security invoker set search_path = ''
return 0.99;
create function flarewatch.budget_days() returns integer
  language sql immutable parallel safe security invoker set search_path = ''
return 7;

-- Runs that every try failed of, the newest first, or the one that is named; for members at AAL2. `made_good`: a later run was complete,
-- so that nothing is missing. Definer: nothing else shows who replayed, or what became of it.
create function flarewatch.dead_letters(letter uuid, most integer)
returns table (
  id uuid,
  kind text,
  credential_id uuid,
  provider text,
  label text,
  reason text,
  tries integer,
  created_at timestamptz,
  died_at timestamptz,
  replayed_at timestamptz,
  replayed_by uuid,
  replayed_as uuid,
  replay_state text,
  replay_reason text,
  made_good boolean
)
  language sql stable security definer set search_path = ''
begin atomic
  select
    dead.id, dead.kind, dead.credential_id, credential.provider, credential.label, dead.reason, dead.attempt,
    dead.created_at, dead.finished_at, dead.replayed_at, dead.replayed_by, dead.replayed_as,
    coalesce(again.run_state, (select 'under_way' where again.state = 'leased')), again.reason,
    exists (
      select from flarewatch.jobs as later
      where later.tenant_id = dead.tenant_id and later.credential_id = dead.credential_id and later.kind = dead.kind
        and later.finished_at > dead.finished_at and later.run_state = 'complete'
    )
  from flarewatch.jobs as dead
  join flarewatch.credentials as credential
    on credential.tenant_id = dead.tenant_id and credential.id = dead.credential_id
  left join flarewatch.jobs as again on again.id = dead.replayed_as and again.tenant_id = dead.tenant_id
  where flarewatch.is_member() and flarewatch.totp_enrolled() and flarewatch.claim_is_aal2()
    and dead.tenant_id = flarewatch.claim_tenant() and dead.state = 'dead'
    and (dead_letters.letter is null or dead.id = dead_letters.letter)
  order by dead.finished_at desc, dead.id
  limit dead_letters.most;
end;

-- FW098 dead_letter_unknown, FW099 credential_parked. A job of the same kind for the same credential, which the scheduler sends within a
-- minute as it does any whose lease has run out. Where one is under way already, that is the one. Replaying twice changes nothing.
create function privileged.replay_dead_letter(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  of_tenant constant uuid := request ->> 'tenant_id';
  at constant timestamptz := request ->> 'at';
  letter flarewatch.jobs;
  next_job uuid;
  answer jsonb := flarewatch.replay_or_wait(request);
begin
  if answer is not null then
    return answer;
  end if;
  perform flarewatch.require_act(of_tenant, (request ->> 'user_id')::uuid, 'dead_letter.replay');
  select * into letter from flarewatch.jobs
  where jobs.id = (request ->> 'job_id')::uuid and jobs.tenant_id = of_tenant and jobs.state = 'dead'
  for update;
  if not found then
    perform flarewatch.refuse_request('FW098', 'dead_letter_unknown');
  end if;
  if letter.replayed_at is null then
    -- Held, so that a deletion that ends the credential's jobs ends this one too.
    perform from flarewatch.credentials
    where credentials.tenant_id = of_tenant and credentials.id = letter.credential_id and credentials.state = 'active'
    for share;
    if not found then
      perform flarewatch.refuse_request('FW099', 'credential_parked');
    end if;
    loop
      insert into flarewatch.jobs (tenant_id, credential_id, kind, attempt, lease_until, created_at)
      values (of_tenant, letter.credential_id, letter.kind, 0, at, at)
      on conflict do nothing
      returning jobs.id into next_job;
      exit when found;
      select jobs.id into next_job from flarewatch.jobs
      where jobs.credential_id = letter.credential_id and jobs.kind = letter.kind and jobs.state = 'leased';
      exit when found;
    end loop;
    -- History that waits after a failure goes on with it.
    update flarewatch.backfills as waiting set next_at = least(waiting.next_at, at)
    from flarewatch.sites as site
    where letter.kind = 'backfill' and waiting.state = 'open' and waiting.tenant_id = of_tenant
      and site.tenant_id = of_tenant and site.id = waiting.site_id and site.credential_id = letter.credential_id;
    update flarewatch.jobs set
      replayed_at = at, replayed_by = (request ->> 'user_id')::uuid, replayed_as = next_job
    where jobs.id = letter.id
    returning jobs.* into letter;
  end if;
  answer := pg_catalog.jsonb_build_object(
    'dead_letter', pg_catalog.jsonb_build_object(
      'id', letter.id, 'replayed_at', letter.replayed_at, 'replayed_by', letter.replayed_by, 'job_id', letter.replayed_as
    )
  );
  perform flarewatch.keep_response(request, answer);
  return answer;
end
$$;

-- Runs go a week after their end, as their counts do; dead letters after ninety days. How many rows went.
create function flarewatch.drop_old_runs(at timestamptz, batch integer) returns integer
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  ended integer;
  dead integer;
begin
  delete from flarewatch.jobs as run
  using (
    select old.id from flarewatch.jobs as old
    where old.state in ('done', 'failed') and old.finished_at <= drop_old_runs.at - interval '7 days'
    order by old.finished_at limit drop_old_runs.batch
  ) as chosen
  where run.id = chosen.id;
  get diagnostics ended = row_count;
  delete from flarewatch.jobs as letter
  using (
    select old.id from flarewatch.jobs as old
    where old.state = 'dead' and old.finished_at <= drop_old_runs.at - interval '90 days'
    order by old.finished_at limit drop_old_runs.batch
  ) as chosen
  where letter.id = chosen.id;
  get diagnostics dead = row_count;
  delete from flarewatch.run_counts as counted
  using (
    select old.credential_id, old.day, old.run_state from flarewatch.run_counts as old
    where old.day <= (drop_old_runs.at at time zone 'UTC')::date - flarewatch.budget_days()
    limit drop_old_runs.batch
  ) as chosen
  where (counted.credential_id, counted.day, counted.run_state) = (chosen.credential_id, chosen.day, chosen.run_state);
  return ended + dead;
end
$$;

-- As before, and then the history of what was connected: polls come first. A job that is given up says how it ended.
create or replace function flarewatch.claim_due(at timestamptz, lease_seconds integer, batch integer)
returns table (job_id uuid, credential_id uuid, attempt integer)
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  lease_end constant timestamptz := at + pg_catalog.make_interval(secs => lease_seconds);
  claimed integer;
  polled integer;
  resealed integer;
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
        reason = case when job.attempt < flarewatch.max_attempts() then job.reason else 'lease_expired' end,
        run_state = case when job.attempt < flarewatch.max_attempts() then null else 'failed' end,
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
    with turns as materialized (
      select
        credential.id,
        credential.next_poll_at,
        row_number() over (partition by credential.tenant_id order by credential.next_poll_at, credential.id) as turn
      from flarewatch.credentials as credential
      where credential.state = 'active'
        and credential.next_poll_at <= claim_due.at
        and not exists (
          select from flarewatch.jobs as job
          where job.credential_id = credential.id and job.kind = 'poll' and job.state = 'leased'
        )
    ), due as (
      -- Locked in the order of turns, so that a row another scheduler has locked makes room for the next.
      select credential.id, credential.tenant_id
      from turns join flarewatch.credentials as credential on credential.id = turns.id
      where credential.state = 'active' and credential.next_poll_at <= claim_due.at
      order by turns.turn, turns.next_poll_at, turns.id
      limit greatest(batch - claimed, 0)
      for update of credential skip locked
    ), postponed as (
      update flarewatch.credentials as credential
      set next_poll_at = flarewatch.next_poll(due.tenant_id, due.id, claim_due.at)
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
  get diagnostics resealed = row_count;

  return query
    insert into flarewatch.jobs as job (tenant_id, credential_id, kind, state, attempt, lease_until, created_at)
    select unread.tenant_id, unread.credential_id, 'backfill', 'leased', 1, lease_end, claim_due.at
    from flarewatch.backfillable(claim_due.at, greatest(batch - claimed - polled - resealed, 0)) as unread
    on conflict do nothing
    returning job.id, job.credential_id, job.attempt;
end
$$;

-- As before, with the state of the runs that it ends.
create or replace function privileged.delete_credential(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  doomed constant uuid := request ->> 'credential_id';
  at constant timestamptz := request ->> 'at';
  answer jsonb := flarewatch.replay_or_wait(request);
begin
  if answer is not null then
    return answer;
  end if;
  perform flarewatch.require_act((request ->> 'tenant_id')::uuid, (request ->> 'user_id')::uuid, 'credential.delete');
  update flarewatch.credentials as record set
    kek_version = null, wrapped_dek = null, dek_version = null, salt = null, ciphertext = null,
    state = 'parked', reason = 'credential_deleted', deleted_at = at
  where record.id = doomed and record.tenant_id = (request ->> 'tenant_id')::uuid and record.deleted_at is null;
  if not found then
    perform flarewatch.refuse_request('FW024', 'credential_unknown');
  end if;
  update flarewatch.jobs set state = 'failed', run_state = 'failed', reason = 'credential_deleted', finished_at = at
  where jobs.credential_id = doomed and jobs.state = 'leased';
  answer := pg_catalog.jsonb_build_object(
    'credential', pg_catalog.jsonb_build_object('id', doomed, 'deleted_at', pg_catalog.to_jsonb(at))
  );
  perform flarewatch.keep_response(request, answer);
  return answer;
end
$$;

-- As before, with the state of the runs that it ends.
create or replace function flarewatch.begin_tenant_deletion(tenant_id uuid, name text, at timestamptz) returns text
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
  update flarewatch.jobs set state = 'dead', run_state = 'failed', reason = 'tenant_deleted', finished_at = begin_tenant_deletion.at
  where jobs.tenant_id = doomed.id and jobs.state = 'leased';
  return 'deleting';
end
$$;

-- As before, each figure from an index of its own: a tenant has tens of thousands of runs.
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
      (
        select count(*) from flarewatch.credentials join flarewatch.jobs on jobs.credential_id = credentials.id
        where credentials.tenant_id = mine.tenant_id and jobs.state = 'leased'
      ) as leased,
      (
        select count(*) from flarewatch.jobs
        where jobs.tenant_id = mine.tenant_id and jobs.state = 'dead'
          and jobs.finished_at > stack_status.at - interval '24 hours' and jobs.finished_at <= stack_status.at
      ) as dead,
      (select max(jobs.created_at) from flarewatch.jobs where jobs.tenant_id = mine.tenant_id) as newest
    from mine
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
  flarewatch.count_run(),
  flarewatch.run_objective(),
  flarewatch.budget_days(),
  flarewatch.dead_letters(uuid, integer),
  flarewatch.drop_old_runs(timestamptz, integer),
  privileged.replay_dead_letter(jsonb)
from public;
grant execute on function
  flarewatch.run_objective(),
  flarewatch.budget_days(),
  flarewatch.dead_letters(uuid, integer)
to flarewatch_gateway;
grant execute on function flarewatch.drop_old_runs(timestamptz, integer) to flarewatch_scheduler;
grant execute on function privileged.replay_dead_letter(jsonb) to service_role;
