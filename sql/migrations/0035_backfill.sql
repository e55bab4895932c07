-- pgls-ignore-all lint/safety/runningStatementWhileHoldingAccessExclusive: the check on jobs is changed last
-- What lies before a site's first poll is read backwards, the newest first, beside its polls (ADR 0024). And windows are read again on request.

-- Jobs are claimed all the time: a lock that does not come soon is given up, and the migration can be run again.
set local lock_timeout = '5s';

-- One a site and dataset since it was connected, and one for each window that somebody had read again. `done_from` is where it
-- stands: all of [done_from, until) is stored. It moves in the transaction that stores the facts, and backwards alone.
create table flarewatch.backfills (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null,
  site_id uuid not null,
  dataset text not null check (dataset in ('hourly', 'daily')),
  kind text not null check (kind in ('connect', 'resync')),
  state text not null default 'open' check (state in ('open', 'done', 'stopped')),
  -- The oldest instant that is wanted. Of a site that was connected it is the oldest that the provider keeps: null until it was asked.
  since timestamptz,
  until timestamptz not null,
  done_from timestamptz not null,
  slices integer not null default 0 check (slices >= 0),
  facts bigint not null default 0 check (facts >= 0),
  -- Jobs in a row that failed without a slice.
  failures integer not null default 0 check (failures >= 0),
  -- Why it waits, or why it stopped.
  reason text check (reason ~ '^[a-z][a-z0-9_]{0,63}$'),
  next_at timestamptz not null,
  requested_by uuid,
  created_at timestamptz not null,
  started_at timestamptz,
  updated_at timestamptz not null,
  finished_at timestamptz,
  check (done_from <= until and since <= until),
  check ((kind = 'resync') = (requested_by is not null)),
  check ((state = 'open') = (finished_at is null)),
  foreign key (tenant_id, site_id) references flarewatch.sites (tenant_id, id) on delete cascade
);
create index backfills_site_idx on flarewatch.backfills (tenant_id, site_id);
create index backfills_open_idx on flarewatch.backfills (next_at) where state = 'open';
create unique index backfills_one_connect on flarewatch.backfills (site_id, dataset) where kind = 'connect';
create unique index backfills_one_open_resync on flarewatch.backfills (site_id, dataset)
  where kind = 'resync' and state = 'open';

-- What was connected before is read once more from where it stands: a first poll may have been on its way.
insert into flarewatch.backfills (tenant_id, site_id, dataset, kind, until, done_from, next_at, created_at, updated_at)
select
  cursors.tenant_id, cursors.site_id, cursors.dataset, 'connect', cursors.complete_until, cursors.complete_until,
  cursors.updated_at, cursors.updated_at, cursors.updated_at
from flarewatch.cursors;

alter table flarewatch.backfills enable row level security, force row level security;

grant select on flarewatch.backfills to flarewatch_gateway;
grant
  select,
  insert (tenant_id, site_id, dataset, kind, until, done_from, next_at, created_at, updated_at),
  update (state, since, done_from, slices, facts, failures, reason, next_at, started_at, updated_at, finished_at)
on flarewatch.backfills to flarewatch_connector;

create policy "members see how far their tenant's history is read" on flarewatch.backfills
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no backfill" on flarewatch.backfills
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the connector sees the backfills of its leased job" on flarewatch.backfills
  for select to flarewatch_connector using (site_id in (select flarewatch.leased_sites()));
create policy "the connector plans the history of a site of its leased job" on flarewatch.backfills
  for insert to flarewatch_connector
  with check (
    site_id in (select flarewatch.leased_sites()) and tenant_id = (select flarewatch.leased_tenant())
    and kind = 'connect' and state = 'open' and done_from = until
  );
create policy "the connector moves the open backfills of its leased job" on flarewatch.backfills
  for update to flarewatch_connector
  using (site_id in (select flarewatch.leased_sites()) and state = 'open')
  with check (site_id in (select flarewatch.leased_sites()));

-- As many run at once: however many are connected in one hour, polls find a consumer.
create function flarewatch.backfills_at_once() returns integer
  language sql immutable security invoker set search_path = ''
return 100;

-- Credentials with history to read now, tenants taking turns. Definer, since the scheduler learns which, and no more of them.
create function flarewatch.backfillable(at timestamptz, batch integer)
returns table (credential_id uuid, tenant_id uuid)
  language sql stable security definer set search_path = ''
begin atomic
  with unread as (
    select credentials.id, credentials.tenant_id, min(backfills.next_at) as due_at
    from flarewatch.backfills
      join flarewatch.sites on sites.tenant_id = backfills.tenant_id and sites.id = backfills.site_id
      join flarewatch.credentials
        on credentials.tenant_id = sites.tenant_id and credentials.id = sites.credential_id
    where backfills.state = 'open' and backfills.next_at <= backfillable.at and credentials.state = 'active'
      and not exists (
        select from flarewatch.jobs
        where jobs.credential_id = credentials.id and jobs.kind = 'backfill' and jobs.state = 'leased'
      )
    group by credentials.id, credentials.tenant_id
  ), turns as (
    select
      unread.id,
      unread.tenant_id,
      unread.due_at,
      row_number() over (partition by unread.tenant_id order by unread.due_at, unread.id) as turn
    from unread
  )
  select turns.id, turns.tenant_id
  from turns
  order by turns.turn, turns.due_at, turns.id
  limit least(
    backfillable.batch,
    greatest(0, flarewatch.backfills_at_once() - (
      select count(*) from flarewatch.jobs where jobs.kind = 'backfill' and jobs.state = 'leased'
    ))
  );
end;

-- FW140 resync_window_invalid, FW141 resync_nothing, FW142 resync_running. Whole days, both included, each of the site's own zone; hours
-- as far back as they are kept. Which datasets a site has is what its first poll planned.
create function privileged.resync_credential(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  of_tenant constant uuid := request ->> 'tenant_id';
  asked constant uuid := request ->> 'credential_id';
  of_site constant uuid := request ->> 'site_id';
  first_day constant date := request ->> 'from';
  last_day constant date := request ->> 'to';
  at constant timestamptz := request ->> 'at';
  kept_hours constant interval := interval '90 days';
  kept_days constant interval := interval '730 days';
  answer jsonb := flarewatch.replay_or_wait(request);
begin
  if answer is not null then
    return answer;
  end if;
  perform flarewatch.require_act(of_tenant, (request ->> 'user_id')::uuid, 'credential.resync');
  -- One request for a credential after another, and none for one that is being deleted.
  perform from flarewatch.credentials
  where credentials.tenant_id = of_tenant and credentials.id = asked and credentials.deleted_at is null
  for update;
  if not found or (
    of_site is not null and not exists (
      select from flarewatch.sites
      where sites.tenant_id = of_tenant and sites.credential_id = asked and sites.id = of_site
    )
  ) then
    perform flarewatch.refuse_request('FW024', 'credential_unknown');
  end if;
  -- A day of margin either way: a site's today may be another than UTC's.
  if first_day is null or last_day is null or first_day > last_day
    or first_day < (at - kept_days)::date - 1 or first_day > at::date + 1 then
    perform flarewatch.refuse_request('FW140', 'resync_window_invalid');
  end if;
  if exists (
    select from flarewatch.backfills
      join flarewatch.sites on sites.tenant_id = backfills.tenant_id and sites.id = backfills.site_id
    where backfills.tenant_id = of_tenant and backfills.kind = 'resync' and backfills.state = 'open'
      and sites.credential_id = asked and (of_site is null or sites.id = of_site)
  ) then
    perform flarewatch.refuse_request('FW142', 'resync_running');
  end if;
  with planned as (
    select
      plan.site_id,
      plan.dataset,
      greatest(
        first_day::timestamp at time zone site.time_zone,
        at - case when plan.dataset in ('hourly', 'hourly_rollup') then kept_hours else kept_days end
      ) as since,
      least((last_day + 1)::timestamp at time zone site.time_zone, at) as until
    from flarewatch.backfills as plan
      join flarewatch.sites as site on site.tenant_id = plan.tenant_id and site.id = plan.site_id
    where plan.tenant_id = of_tenant and plan.kind = 'connect'
      and site.credential_id = asked and (of_site is null or site.id = of_site)
  ), added as (
    insert into flarewatch.backfills (
      tenant_id, site_id, dataset, kind, since, until, done_from, next_at, requested_by, created_at, updated_at
    )
    select
      of_tenant, planned.site_id, planned.dataset, 'resync', planned.since, planned.until, planned.until, at,
      (request ->> 'user_id')::uuid, at, at
    from planned where planned.since < planned.until
    returning site_id
  )
  select pg_catalog.jsonb_build_object(
    'resync', pg_catalog.jsonb_build_object(
      'credential_id', asked, 'from', first_day, 'to', last_day, 'sites', count(distinct added.site_id)
    )
  ) into strict answer
  from added;
  if (answer #>> '{resync,sites}')::integer = 0 then
    perform flarewatch.refuse_request('FW141', 'resync_nothing');
  end if;
  perform flarewatch.keep_response(request, answer);
  return answer;
end
$$;

revoke execute on function
  flarewatch.backfills_at_once(),
  flarewatch.backfillable(timestamptz, integer),
  privileged.resync_credential(jsonb)
from public;
grant execute on function flarewatch.backfillable(timestamptz, integer) to flarewatch_scheduler;
grant execute on function privileged.resync_credential(jsonb) to service_role;

alter table flarewatch.jobs
  drop constraint jobs_kind_check,
  add constraint jobs_kind_check check (kind in ('poll', 'reseal', 'backfill'));
