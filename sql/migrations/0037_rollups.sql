-- Days that a provider does not give are made of its hours; hours go after 90 days, days stay; a final figure that changed is marked (ADR 0026).

set local lock_timeout = '5s';

-- `rollup`: how a day is made of these hours; null where the provider gives the days itself. The domain's METRICS say which, so no list
-- of metrics stands here. `previous_value`: what a figure was before it was corrected last.
do $$
begin
  alter table flarewatch.facts_hourly
    add column rollup text check (rollup in ('sum', 'mean', 'last')),
    add column corrected_at timestamptz,
    add column previous_value numeric(30, 0),
    add constraint facts_hourly_corrected_check check ((corrected_at is null) = (previous_value is null));
  alter table flarewatch.facts_daily
    add column corrected_at timestamptz,
    add column previous_value numeric(30, 0),
    add constraint facts_daily_corrected_check check ((corrected_at is null) = (previous_value is null));

  create or replace view warehouse.metrics_hourly with (security_invoker = true) as
    select site_id, provider, metric, window_start, window_end, value, unit, source, fetched_at, sampling, completeness,
      nullif(currency, 'XXX') as currency, corrected_at, previous_value
    from flarewatch.facts_hourly;
  create or replace view warehouse.metrics_daily with (security_invoker = true) as
    select site_id, provider, metric, window_start, window_end, value, unit, source, fetched_at, sampling, completeness,
      nullif(currency, 'XXX') as currency, corrected_at, previous_value
    from flarewatch.facts_daily;
end
$$;

grant update (rollup, corrected_at, previous_value) on flarewatch.facts_hourly to flarewatch_connector;
grant update (corrected_at, previous_value) on flarewatch.facts_daily to flarewatch_connector;

-- Days are UTC days, as they are in the datasets of the providers that give hours.
create function flarewatch.utc_day(at timestamptz) returns timestamptz
  language sql immutable strict parallel safe security invoker set search_path = ''
return pg_catalog.date_trunc('day', at at time zone 'UTC') at time zone 'UTC';

create function flarewatch.next_month(month timestamptz) returns timestamptz
  language sql immutable strict parallel safe security invoker set search_path = ''
return ((month at time zone 'UTC') + interval '1 month') at time zone 'UTC';

-- Held against `hoursKeptFrom` in the domain.
create function flarewatch.hours_kept_from(at timestamptz) returns timestamptz
  language sql immutable strict parallel safe security invoker set search_path = ''
return flarewatch.utc_day(at) - interval '2160 hours';

-- Makes the days anew, from what is stored of their hours. Called in the transaction that stores hours, and after it did. A day that the
-- provider gave itself is left alone.
create function flarewatch.roll_up(site_id uuid, metrics text[], days timestamptz[]) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  -- Of no use to the result: they tell the planner which months it need not look at.
  first constant timestamptz := (select min(day) from pg_catalog.unnest(roll_up.days) as day);
  behind constant timestamptz := (select max(day) + interval '24 hours' from pg_catalog.unnest(roll_up.days) as day);
begin
  -- One at a time, and before the hours are read: two who store hours of one day would each miss the other's.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('flarewatch.roll_up ' || roll_up.site_id, 0));
  insert into flarewatch.facts_daily as stored (
    site_id, tenant_id, provider, metric, currency, window_start, window_end, value, unit, source, fetched_at, sampling, completeness
  )
  select
    (made.newest).site_id, (made.newest).tenant_id, (made.newest).provider, (made.newest).metric, (made.newest).currency,
    made.day, made.day + interval '24 hours',
    case (made.newest).rollup
      when 'sum' then made.total
      -- As the domain rounds: halves go up.
      when 'mean' then floor(made.mean + 0.5)
      when 'last' then (made.newest).value
    end,
    (made.newest).unit, 'rollup:' || (made.newest).source, made.fetched_at, made.sampling,
    case when made.complete_hours = 24 then 'complete' else 'partial' end
  from (
    select
      each_day.day,
      (pg_catalog.array_agg(hour order by hour.window_start desc))[1] as newest,
      sum(hour.value) as total,
      avg(hour.value) as mean,
      max(hour.fetched_at) as fetched_at,
      -- A day claims to be no more exact than the least exact of its hours.
      max(hour.sampling) as sampling,
      count(*) filter (where hour.completeness = 'complete') as complete_hours
    from pg_catalog.unnest(roll_up.metrics) as each_metric (metric)
      cross join pg_catalog.unnest(roll_up.days) as each_day (day)
      join flarewatch.facts_hourly as hour
        on hour.site_id = roll_up.site_id and hour.metric = each_metric.metric
        and hour.window_start >= each_day.day and hour.window_start < each_day.day + interval '24 hours'
    where hour.rollup is not null and hour.window_start >= first and hour.window_start < behind
    group by hour.metric, hour.currency, each_day.day
  ) as made
  on conflict on constraint facts_daily_pkey do update set
    value = excluded.value,
    unit = excluded.unit,
    source = excluded.source,
    window_end = excluded.window_end,
    fetched_at = excluded.fetched_at,
    sampling = excluded.sampling,
    completeness = excluded.completeness,
    -- As the connector marks what it replaces.
    corrected_at = case
      when stored.completeness = 'complete' and stored.fetched_at >= stored.window_end and stored.value <> excluded.value
        then excluded.fetched_at
      else stored.corrected_at
    end,
    previous_value = case
      when stored.completeness = 'complete' and stored.fetched_at >= stored.window_end and stored.value <> excluded.value
        then stored.value
      else stored.previous_value
    end
  where pg_catalog.starts_with(stored.source, 'rollup:');
end
$$;

-- One step of the retention of hours, until a step did nothing: the oldest month that is past as a whole, dropped, or up to `batch` rows
-- of the month that is being eaten into. `held`, told by the last step: rows that are past their time and stay. An hour behind the line,
-- so that no run that began before midnight stores into a day whose hours are going.
create function flarewatch.prune_hours(at timestamptz, batch integer, out dropped text, out removed bigint, out held bigint)
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  kept_from constant timestamptz := flarewatch.hours_kept_from(flarewatch.decision_time(at) - interval '1 hour');
  leaf text;
  month timestamptz;
begin
  if batch is null or batch not between 1 and 100000 or kept_from is null then
    raise exception using errcode = 'FW134', message = 'pruning_out_of_range';
  end if;
  removed := 0;
  held := 0;
  -- Hours are written all the time: who cannot have the lock soon gives up, and the next night tries again.
  perform pg_catalog.set_config('lock_timeout', '5s', true);
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('flarewatch.open_month', 0));
  for leaf, month in
    select part.relname, pg_catalog.to_date(pg_catalog.right(part.relname, 6), 'YYYYMM')::timestamp at time zone 'UTC'
    from pg_catalog.pg_inherits join pg_catalog.pg_class as part on part.oid = pg_inherits.inhrelid
    where pg_inherits.inhparent = 'flarewatch.facts_hourly'::regclass
    order by part.relname
  loop
    exit when flarewatch.next_month(month) > kept_from;
    execute pg_catalog.format('lock table flarewatch.%I in share mode', leaf);
    perform from flarewatch.facts_hourly as hour
    where hour.window_start >= month and hour.window_start < flarewatch.next_month(month)
      and hour.rollup is not null and not exists (
        select from flarewatch.facts_daily as day
        where day.site_id = hour.site_id and day.metric = hour.metric and day.currency = hour.currency
          and day.window_start = flarewatch.utc_day(hour.window_start)
      );
    if not found then
      execute pg_catalog.format('alter table flarewatch.facts_hourly detach partition flarewatch.%I', leaf);
      execute pg_catalog.format('drop table flarewatch.%I', leaf);
      dropped := leaf;
      return;
    end if;
  end loop;
  -- tableoid: in partitions ctid alone is not unique.
  delete from flarewatch.facts_hourly as gone using (
    select hour.tableoid as part, hour.ctid as place from flarewatch.facts_hourly as hour
    where hour.window_start < kept_from and (
      hour.rollup is null or exists (
        select from flarewatch.facts_daily as day
        where day.site_id = hour.site_id and day.metric = hour.metric and day.currency = hour.currency
          and day.window_start = flarewatch.utc_day(hour.window_start)
      )
    )
    limit batch
  ) as chosen
  where gone.window_start < kept_from and gone.tableoid = chosen.part and gone.ctid = chosen.place;
  get diagnostics removed = row_count;
  if removed = 0 then
    select count(*) into held from flarewatch.facts_hourly as hour where hour.window_start < kept_from;
  end if;
end
$$;

revoke execute on function
  flarewatch.utc_day(timestamptz),
  flarewatch.next_month(timestamptz),
  flarewatch.hours_kept_from(timestamptz),
  flarewatch.roll_up(uuid, text[], timestamptz[]),
  flarewatch.prune_hours(timestamptz, integer)
from public;
grant execute on function flarewatch.roll_up(uuid, text[], timestamptz[]) to flarewatch_connector;
grant execute on function flarewatch.prune_hours(timestamptz, integer) to flarewatch_verifier;

-- What was stored before hours said how they make a day. Supabase's days were the last of the same readings that its hours are.
update flarewatch.facts_hourly set rollup = 'sum' where metric = 'visits';
update flarewatch.facts_hourly set rollup = 'last' where provider = 'supabase';
update flarewatch.facts_daily set source = 'rollup:' || source where provider = 'supabase';
select flarewatch.roll_up(site_id, pg_catalog.array_agg(distinct metric), pg_catalog.array_agg(distinct flarewatch.utc_day(window_start)))
from flarewatch.facts_hourly where rollup is not null group by site_id;
