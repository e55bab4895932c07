-- Partitions. A leaf takes none of its parent's protection: grants, RLS and statement triggers are its own, so each gets
-- FORCE RLS with a policy that lets nobody in and, in the audit log, the trigger that refuses change.

create function flarewatch.close_leaf(leaf text) returns void
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  execute pg_catalog.format('alter table flarewatch.%I enable row level security, force row level security', leaf);
  execute pg_catalog.format(
    'create policy "rows are reached through the parent alone" on flarewatch.%I
       as restrictive for all to public using (false) with check (false)',
    leaf
  );
  execute pg_catalog.format('revoke all on flarewatch.%I from public', leaf);
end
$$;

create function flarewatch.open_audit_month(epoch integer) returns void
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  leaf constant text := 'audit_log_' || epoch;
begin
  if pg_catalog.to_regclass('flarewatch.' || leaf) is not null then
    return;
  end if;
  execute pg_catalog.format('create table flarewatch.%I partition of flarewatch.audit_log for values in (%s)', leaf, epoch);
  perform flarewatch.close_leaf(leaf);
  execute pg_catalog.format(
    'create trigger refuse_change before update or delete or truncate on flarewatch.%I
       for each statement execute function flarewatch.refuse_audit_change()',
    leaf
  );
  execute pg_catalog.format('alter table flarewatch.%I enable always trigger refuse_change', leaf);
end
$$;

create function flarewatch.open_facts_month(facts text, month date) returns void
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  leaf constant text := facts || '_' || pg_catalog.to_char(month, 'YYYYMM');
begin
  if pg_catalog.to_regclass('flarewatch.' || leaf) is not null then
    return;
  end if;
  execute pg_catalog.format(
    'create table flarewatch.%I partition of flarewatch.%I for values from (%L) to (%L)',
    leaf,
    facts,
    month || ' 00:00:00+00',
    (month + interval '1 month')::date || ' 00:00:00+00'
  );
  perform flarewatch.close_leaf(leaf);
end
$$;

-- Opens the month that a day lies in, for every table that is kept by month. Opening it twice changes nothing.
create function flarewatch.open_month(day date) returns void
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
end
$$;

revoke execute on function
  flarewatch.close_leaf(text),
  flarewatch.open_audit_month(integer),
  flarewatch.open_facts_month(text, date),
  flarewatch.open_month(date)
from public;
grant execute on function flarewatch.open_month(date) to flarewatch_verifier;

-- Providers give two years of history; two months ahead leave the verifier time to open the next.
select flarewatch.open_month((pg_catalog.date_trunc('month', now() at time zone 'UTC') + months * interval '1 month')::date)
from pg_catalog.generate_series(-25, 2) as months;
