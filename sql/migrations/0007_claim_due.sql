-- The scheduler's one act. Invoker: it can do no more than the scheduler's own grants and policies.

create function flarewatch.poll_interval() returns interval
  language sql immutable security invoker set search_path = ''
return interval '5 minutes';

create function flarewatch.max_attempts() returns integer
  language sql immutable security invoker set search_path = ''
return 5;

-- Jobs whose consumer was lost are leased again, then given up; then every due credential without a job gets one. Locked rows are
-- skipped: they are another scheduler's.
create function flarewatch.claim_due(at timestamptz, lease_seconds integer, batch integer)
returns table (job_id uuid, credential_id uuid, attempt integer)
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  lease_end constant timestamptz := at + pg_catalog.make_interval(secs => lease_seconds);
  claimed integer;
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
          select from flarewatch.jobs as job where job.credential_id = credential.id and job.state = 'leased'
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
end
$$;

revoke execute on function
  flarewatch.poll_interval(), flarewatch.max_attempts(), flarewatch.claim_due(timestamptz, integer, integer)
from public;
grant execute on function
  flarewatch.poll_interval(), flarewatch.max_attempts(), flarewatch.claim_due(timestamptz, integer, integer)
to flarewatch_scheduler;
