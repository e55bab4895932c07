-- What reading the log page by page and proving one row need, and what a tenant may know of the queue that works for it.

-- The log is written to all the time: a lock that does not come soon is given up, and the migration can be run again.
set local lock_timeout = '5s';

-- Pages and exports go by sequence number alone; a row is asked for by its id.
create index audit_log_seq_idx on flarewatch.audit_log (tenant_id, seq);
create index audit_log_row_id_idx on flarewatch.audit_log (tenant_id, row_id);

-- Counts for the bound tenant alone, and no row for whoever is no member of it or has no verified TOTP. Definer, since the gateway
-- reads neither jobs nor heads nor when a credential is due.
create function flarewatch.stack_status(at timestamptz)
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
        select from flarewatch.jobs where jobs.credential_id = credentials.id and jobs.state = 'leased'
      )
  )
  select job.leased, due.credentials, due.oldest, job.newest, job.dead, coalesce(audit_heads.seq, 0)
  from mine
    cross join job
    cross join due
    left join flarewatch.audit_heads on audit_heads.tenant_id = mine.tenant_id;
end;

revoke execute on function flarewatch.stack_status(timestamptz) from public;
grant execute on function flarewatch.stack_status(timestamptz) to flarewatch_gateway;
