-- Where a site's requests come from and what they ask for, by day; and sites that appear and vanish behind a key (ADR 0027).

set local lock_timeout = '5s';

-- The largest shares of one site, dimension and day, in order of `rank`; rank 0 is all the rest, so that shares add up to the whole. A path
-- never has a query: cut here too, whoever writes.
create table flarewatch.facts_top (
  site_id uuid not null references flarewatch.sites (id) on delete cascade,
  tenant_id uuid not null,
  provider text not null check (provider in ('cloudflare', 'stripe', 'resend', 'supabase')),
  dimension text not null check (dimension in ('country', 'path')),
  window_start timestamptz not null,
  window_end timestamptz not null,
  rank smallint not null check (rank between 0 and 25),
  key text check (char_length(key) between 1 and 200 and position('?' in key) = 0),
  value numeric(30, 0) not null check (value >= 0),
  source text not null check (char_length(source) between 1 and 100),
  fetched_at timestamptz not null,
  sampling numeric not null check (sampling > 0),
  completeness text not null check (completeness in ('complete', 'partial')),
  primary key (site_id, dimension, window_start, rank),
  check (window_end > window_start),
  check ((rank = 0) = (key is null))
) partition by range (window_start);

alter table flarewatch.facts_top enable row level security, force row level security;

grant select on flarewatch.facts_top to flarewatch_gateway, flarewatch_console;
grant select, insert, delete on flarewatch.facts_top to flarewatch_connector;

create policy "members see their tenant's tops" on flarewatch.facts_top
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no top" on flarewatch.facts_top
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "a console login sees the tops of its tenant" on flarewatch.facts_top
  for select to flarewatch_console using (tenant_id = (select flarewatch.console_tenant()));
create policy "the connector sees the tops of its leased job" on flarewatch.facts_top
  for select to flarewatch_connector using (site_id in (select flarewatch.leased_sites()));
create policy "the connector adds tops for its leased job" on flarewatch.facts_top
  for insert to flarewatch_connector
  with check (
    site_id in (select flarewatch.leased_sites()) and tenant_id = (select flarewatch.leased_tenant())
  );
-- A day's set is replaced as a whole: a key that is no longer among the largest must not stay.
create policy "the connector takes back the tops of its leased job" on flarewatch.facts_top
  for delete to flarewatch_connector using (site_id in (select flarewatch.leased_sites()));

create view warehouse.top_daily with (security_invoker = true) as
  select site_id, provider, dimension, window_start, window_end, rank, key, value, source, fetched_at, sampling, completeness
  from flarewatch.facts_top;
grant select on warehouse.top_daily to flarewatch_console;

create or replace function flarewatch.open_month(day date) returns void
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  month constant date := pg_catalog.date_trunc('month', day)::date;
begin
  if month is null or month not between date '2020-01-01' and date '2199-12-01' then
    raise exception using errcode = 'FW120', message = 'month_out_of_range';
  end if;
  -- Two at once would both find the month missing.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('flarewatch.open_month', 0));
  perform flarewatch.open_audit_month(pg_catalog.to_char(month, 'YYYYMM')::integer);
  perform flarewatch.open_facts_month('facts_hourly', month);
  perform flarewatch.open_facts_month('facts_daily', month);
  perform flarewatch.open_facts_month('facts_top', month);
end
$$;

-- Every month that the figures have, whenever it was opened.
select flarewatch.open_month(pg_catalog.to_date(pg_catalog.right(leaf.relname, 6), 'YYYYMM'))
from pg_catalog.pg_inherits as inherited join pg_catalog.pg_class as leaf on leaf.oid = inherited.inhrelid
where inherited.inhparent = 'flarewatch.facts_daily'::regclass;

-- As before, and with the tops.
create or replace function flarewatch.erase_tenant(tenant_id uuid, batch integer, at timestamptz) returns integer
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
    'facts_hourly', 'facts_daily', 'facts_top', 'cursors', 'sites', 'jobs', 'credentials', 'tenant_keys', 'audit_keys',
    'members', 'mail_outbox'
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

-- One statement, and last: the tables are held together, and for as short as can be.
do $$
begin
  alter table flarewatch.cursors
    drop constraint cursors_dataset_check,
    add constraint cursors_dataset_check check (dataset in ('hourly', 'daily', 'hourly_rollup', 'paths'));
  alter table flarewatch.backfills
    drop constraint backfills_dataset_check,
    add constraint backfills_dataset_check check (dataset in ('hourly', 'daily', 'hourly_rollup', 'paths'));
  alter table flarewatch.credentials
    -- When the provider was last asked which sites the key reaches; null until it was, after the key was stored.
    add column sites_seen_at timestamptz;
  alter table flarewatch.sites
    -- Null where the site came with its key; else when a poll found it.
    add column found_at timestamptz,
    -- Since then the key reaches it no more: it is not polled, and its figures stay.
    add column removed_at timestamptz;

  grant select (sites_seen_at), update (sites_seen_at) on flarewatch.credentials to flarewatch_connector;
  grant
    select (found_at, removed_at),
    insert (id, tenant_id, credential_id, provider, provider_ref, name, time_zone, found_at),
    update (name, removed_at)
  on flarewatch.sites to flarewatch_connector;

  create policy "the connector adds sites that the credential of its leased job reaches" on flarewatch.sites
    for insert to flarewatch_connector
    with check (
      credential_id = (select flarewatch.leased_credential()) and tenant_id = (select flarewatch.leased_tenant())
      and provider = (select own.provider from flarewatch.credentials as own where own.id = credential_id)
      and found_at = (select flarewatch.bound_at())
    );
  create policy "the connector renames and retires the sites of its leased job" on flarewatch.sites
    for update to flarewatch_connector
    using (id in (select flarewatch.leased_sites()))
    with check (id in (select flarewatch.leased_sites()));
end
$$;

-- How each credential fares that is polled, a row each. `complete_until`: the newest end of a window that is final, of the site that is
-- furthest behind; of a provider whose readings are of moments, the last complete run. Windows are what has a history: the cursor of a
-- dataset without one only says when something was asked last. Of sites that the key reaches no more nothing is due. Runs that the provider
-- proved empty count neither way. Invoker: it shows what the policies let whoever asks see.
create function flarewatch.credential_health(at timestamptz)
returns table (
  credential_id uuid,
  run_state text,
  reason text,
  ended_at timestamptz,
  complete_until timestamptz,
  lag_seconds double precision,
  next_run_at timestamptz,
  runs bigint,
  incomplete bigint,
  budget_left double precision
)
  language sql stable security invoker set search_path = ''
begin atomic
  select
    credential.id,
    last.run_state,
    last.reason,
    last.finished_at,
    final.until,
    (
      select greatest(extract(epoch from credential_health.at - final.until), 0) where final.until is not null
    )::double precision,
    (select credential.next_poll_at where credential.state = 'active'),
    budget.runs,
    budget.incomplete,
    (1 - budget.incomplete / nullif(budget.runs * (1 - flarewatch.run_objective()), 0))::double precision
  from flarewatch.credentials as credential
  left join lateral (
    select ended.run_state, ended.reason, ended.finished_at
    from flarewatch.jobs as ended
    where ended.tenant_id = credential.tenant_id and ended.credential_id = credential.id and ended.kind = 'poll'
      and ended.finished_at <= credential_health.at
    order by ended.finished_at desc limit 1
  ) as last on true
  cross join lateral (
    select count(site.until) as known, count(*) as sites, min(site.until) as least
    from (
      select (
        select max(cursors.complete_until)
        from flarewatch.cursors
          join flarewatch.backfills
            on backfills.tenant_id = cursors.tenant_id and backfills.site_id = cursors.site_id
              and backfills.dataset = cursors.dataset and backfills.kind = 'connect'
        where cursors.tenant_id = sites.tenant_id and cursors.site_id = sites.id
      ) as until
      from flarewatch.sites
      where sites.tenant_id = credential.tenant_id and sites.credential_id = credential.id and sites.removed_at is null
    ) as site
  ) as read
  left join lateral (
    select credential.last_success_at as until where read.known = 0
    union all
    select read.least where read.known = read.sites and read.known > 0
  ) as final on true
  cross join lateral (
    select
      coalesce(sum(counted.runs), 0)::bigint as runs,
      coalesce(sum(counted.runs) filter (where counted.run_state <> 'complete'), 0)::bigint as incomplete
    from flarewatch.run_counts as counted
    where counted.tenant_id = credential.tenant_id and counted.credential_id = credential.id
      and counted.run_state <> 'empty'
      and counted.day > (credential_health.at at time zone 'UTC')::date - flarewatch.budget_days()
      and counted.day <= (credential_health.at at time zone 'UTC')::date
  ) as budget
  where credential.tenant_id = flarewatch.claim_tenant()
    and credential.deleted_at is null and credential.webhook_of is null;
end;

revoke execute on function flarewatch.credential_health(timestamptz) from public;
grant execute on function flarewatch.credential_health(timestamptz) to flarewatch_gateway;
