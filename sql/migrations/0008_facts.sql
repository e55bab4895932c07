-- Metrics by hour and by day, each figure with where it came from. Partitioned by month of the window.
create table flarewatch.facts_hourly (
  site_id uuid not null references flarewatch.sites (id),
  tenant_id uuid not null,
  provider text not null check (provider in ('cloudflare')),
  metric text not null check (metric ~ '^[a-z][a-z0-9_]{0,62}$'),
  window_start timestamptz not null,
  window_end timestamptz not null,
  value numeric(30, 0) not null,
  unit text not null check (unit in ('count', 'bytes')),
  source text not null check (char_length(source) between 1 and 100),
  fetched_at timestamptz not null,
  sampling numeric not null check (sampling > 0),
  completeness text not null check (completeness in ('complete', 'partial')),
  primary key (site_id, metric, window_start),
  check (window_end > window_start)
) partition by range (window_start);

create table flarewatch.facts_daily (
  like flarewatch.facts_hourly including constraints,
  primary key (site_id, metric, window_start),
  foreign key (site_id) references flarewatch.sites (id)
) partition by range (window_start);

alter table flarewatch.facts_hourly enable row level security, force row level security;
alter table flarewatch.facts_daily enable row level security, force row level security;

grant select on flarewatch.facts_hourly, flarewatch.facts_daily to flarewatch_gateway;
grant
  select,
  insert,
  update (window_end, value, unit, source, fetched_at, sampling, completeness)
on flarewatch.facts_hourly, flarewatch.facts_daily to flarewatch_connector;

create policy "members see their tenant's hourly facts" on flarewatch.facts_hourly
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no hourly fact" on flarewatch.facts_hourly
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the connector sees the hourly facts of its leased job" on flarewatch.facts_hourly
  for select to flarewatch_connector using (site_id in (select flarewatch.leased_sites()));
create policy "the connector adds hourly facts for its leased job" on flarewatch.facts_hourly
  for insert to flarewatch_connector
  with check (
    site_id in (select flarewatch.leased_sites()) and tenant_id = (select flarewatch.leased_tenant())
  );
create policy "the connector corrects the hourly facts of its leased job" on flarewatch.facts_hourly
  for update to flarewatch_connector
  using (site_id in (select flarewatch.leased_sites()))
  with check (site_id in (select flarewatch.leased_sites()));

create policy "members see their tenant's daily facts" on flarewatch.facts_daily
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no daily fact" on flarewatch.facts_daily
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the connector sees the daily facts of its leased job" on flarewatch.facts_daily
  for select to flarewatch_connector using (site_id in (select flarewatch.leased_sites()));
create policy "the connector adds daily facts for its leased job" on flarewatch.facts_daily
  for insert to flarewatch_connector
  with check (
    site_id in (select flarewatch.leased_sites()) and tenant_id = (select flarewatch.leased_tenant())
  );
create policy "the connector corrects the daily facts of its leased job" on flarewatch.facts_daily
  for update to flarewatch_connector
  using (site_id in (select flarewatch.leased_sites()))
  with check (site_id in (select flarewatch.leased_sites()));
