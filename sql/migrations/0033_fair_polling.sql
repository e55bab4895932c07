-- When a credential is due, by its tenant's tier; and tenants take turns, so that one with thousands of sites keeps none waiting.

-- Held against `POLL_SECONDS` in the domain.
create function flarewatch.poll_seconds(tier text) returns integer
  language sql immutable security invoker set search_path = ''
return case tier when 'agency' then 60 when 'pro' then 120 else 300 end;

-- Up to a tenth sooner than the tier says, in whole seconds, and not the same each time: what was stored together does not stay due together. Definer,
-- since the scheduler learns a time, and nothing of who pays for what.
create function flarewatch.next_poll(tenant_id uuid, credential_id uuid, at timestamptz) returns timestamptz
  language sql stable security definer set search_path = ''
begin atomic
  select
    next_poll.at + pg_catalog.make_interval(secs => ceil(flarewatch.poll_seconds(tenants.tier) * (1 - jitter.share / 10)))
  from flarewatch.tenants cross join lateral (
    select
      (
        pg_catalog.hashtextextended(
          next_poll.credential_id::text, extract(epoch from next_poll.at)::bigint
        ) & 1023
      )::double precision / 1024 as share
  ) as jitter
  where tenants.id = next_poll.tenant_id;
end;

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
end
$$;

drop function flarewatch.poll_interval();

revoke execute on function
  flarewatch.poll_seconds(text), flarewatch.next_poll(uuid, uuid, timestamptz)
from public;
grant execute on function flarewatch.next_poll(uuid, uuid, timestamptz) to flarewatch_scheduler;

-- The operator sets a tier at the vault's door, with a row in the tenant's chain.
grant select (tier), update (tier) on flarewatch.tenants to flarewatch_vault;
create policy "the vault sets the tier of an active tenant" on flarewatch.tenants
  for update to flarewatch_vault using (state = 'active') with check (state = 'active');
