-- Retention: an epoch leaves the log only when every tenant with rows in it has a stored certificate that its rows agree with.
set local lock_timeout = '5s';

-- Signed by the verifier, stored in R2 too. No foreign key: a certificate outlives the rows, and the tenant, that it speaks of.
create table flarewatch.epoch_certificates (
  log uuid not null,
  epoch integer not null check (epoch between 200001 and 999912),
  first_seq bigint not null check (first_seq > 0),
  last_seq bigint not null check (last_seq >= first_seq),
  last_hash bytea not null check (octet_length(last_hash) = 32),
  root bytea not null check (octet_length(root) = 32),
  note text not null check (char_length(note) <= 8192),
  at timestamptz not null,
  primary key (log, epoch)
);

create function flarewatch.refuse_certificate_change() returns trigger
  language plpgsql volatile security invoker set search_path = ''
as $$
begin
  raise exception using errcode = 'FW111', message = 'epoch_certificates_write_once', detail = tg_op;
end
$$;
create trigger refuse_change before update or delete or truncate on flarewatch.epoch_certificates
  for each statement execute function flarewatch.refuse_certificate_change();

alter table flarewatch.epoch_certificates
  enable row level security,
  force row level security,
  enable always trigger refuse_change;

grant select, insert on flarewatch.epoch_certificates to flarewatch_verifier;
grant select on flarewatch.epoch_certificates to flarewatch_gateway;
grant select (log, last_seq, last_hash) on flarewatch.epoch_certificates to flarewatch_ledger;

create policy "the verifier sees every certificate" on flarewatch.epoch_certificates
  for select to flarewatch_verifier using (true);
create policy "the verifier adds certificates" on flarewatch.epoch_certificates
  for insert to flarewatch_verifier with check (first_seq > 0);
create policy "members see their tenant's certificates" on flarewatch.epoch_certificates
  for select to flarewatch_gateway
  using (log = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no certificate" on flarewatch.epoch_certificates
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the ledger sees where a pruned chain ends" on flarewatch.epoch_certificates
  for select to flarewatch_ledger using (true);

-- The time by which an irreversible act is judged. A Worker's word counts in the embedded stack alone, which is known by the schema
-- that its superuser bootstrapped; anywhere else the caller can only be behind the database's own clock, never ahead of it.
create function flarewatch.decision_time(at timestamptz) returns timestamptz
  language sql stable strict security invoker set search_path = ''
return case
  when exists (select from pg_catalog.pg_namespace where nspname = 'embedded_bootstrap') then decision_time.at
  else least(decision_time.at, now())
end;

-- One year: an epoch is due when the last instant that could lie in it is twelve months past.
create function flarewatch.retention_ends(month date) returns timestamptz
  language sql immutable strict parallel safe security invoker set search_path = ''
return (month + interval '13 months') at time zone 'UTC';

-- Why an epoch's rows are not those that its certificates speak of; null when they are. Every tenant with rows has a certificate
-- and every certificate has its rows: counted, first and last number, last hash, and following on the certificate before.
create function flarewatch.certificate_objection(leaf text, epoch integer)
returns table (sqlstate_code text, code text, tenant_id uuid)
  language plpgsql stable security definer set search_path = ''
as $$
begin
  return query execute pg_catalog.format(
    $sql$
    with stored as (
      select tenant_id, count(*) as row_count, min(seq) as first_seq, max(seq) as last_seq
      from flarewatch.%1$I group by tenant_id
    ), certified as (
      select certificate.*,
        coalesce((
          select max(earlier.last_seq) from flarewatch.epoch_certificates as earlier
          where earlier.log = certificate.log and earlier.epoch < certificate.epoch
        ), 0) as through
      from flarewatch.epoch_certificates as certificate where certificate.epoch = $1
    )
    select
      case when certified.log is null then 'FW132' else 'FW133' end,
      case when certified.log is null then 'certificate_missing' else 'certificate_mismatch' end,
      coalesce(stored.tenant_id, certified.log)
    from stored full join certified on certified.log = stored.tenant_id
    left join flarewatch.%1$I as last_row on last_row.tenant_id = stored.tenant_id and last_row.seq = stored.last_seq
    where (
      stored.first_seq = certified.first_seq
      and stored.last_seq = certified.last_seq
      and stored.row_count = certified.last_seq - certified.first_seq + 1
      and last_row.hash = certified.last_hash
      and certified.first_seq = certified.through + 1
      and certified.at >= $2
    ) is not true
    order by 3 limit 1
    $sql$,
    leaf
  ) using epoch, flarewatch.retention_ends(pg_catalog.to_date(epoch::text, 'YYYYMM'));
end
$$;

-- As 0011 has it, and no epoch that was certified, or is older than one that was, is opened again.
create or replace function flarewatch.open_audit_month(epoch integer) returns void
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  leaf constant text := 'audit_log_' || epoch;
begin
  if pg_catalog.to_regclass('flarewatch.' || leaf) is not null
    or exists (select from flarewatch.epoch_certificates where epoch_certificates.epoch >= open_audit_month.epoch) then
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

-- Drops the epoch that a day lies in; false when it is gone already. Refuses with
--   FW120 no such month, FW130 younger than the retention, FW131 an older epoch still has rows, FW132 a tenant without certificate,
--   FW133 rows and certificate do not agree.
create function flarewatch.drop_month(day date, at timestamptz) returns boolean
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  month constant date := pg_catalog.date_trunc('month', day)::date;
  due constant integer := pg_catalog.to_char(month, 'YYYYMM')::integer;
  leaf constant text := 'audit_log_' || due;
  objection record;
begin
  if month is null or at is null or month not between date '2020-01-01' and date '2199-12-01' then
    raise exception using errcode = 'FW120', message = 'month_out_of_range';
  end if;
  if flarewatch.decision_time(at) < flarewatch.retention_ends(month) then
    raise exception using errcode = 'FW130', message = 'month_too_young', detail = due::text;
  end if;
  -- The log is written to all the time: who cannot have the lock soon gives up, and the next night tries again.
  perform pg_catalog.set_config('lock_timeout', '5s', true);
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('flarewatch.open_month', 0));
  if pg_catalog.to_regclass('flarewatch.' || leaf) is null then
    return false;
  end if;
  -- Nothing is added to what is being counted; the rest of the log goes on meanwhile.
  execute pg_catalog.format('lock table flarewatch.%I in share mode', leaf);
  if exists (select from flarewatch.audit_log where audit_log.epoch < due) then
    raise exception using errcode = 'FW131', message = 'older_month_stands', detail = due::text;
  end if;
  select * into objection from flarewatch.certificate_objection(leaf, due);
  if found then
    raise exception using
      errcode = objection.sqlstate_code,
      message = objection.code,
      detail = pg_catalog.format('tenant %s, epoch %s', objection.tenant_id, due);
  end if;
  execute pg_catalog.format('alter table flarewatch.audit_log detach partition flarewatch.%I', leaf);
  execute pg_catalog.format('drop table flarewatch.%I', leaf);
  return true;
end
$$;

revoke execute on function
  flarewatch.refuse_certificate_change(),
  flarewatch.decision_time(timestamptz),
  flarewatch.retention_ends(date),
  flarewatch.certificate_objection(text, integer),
  flarewatch.drop_month(date, timestamptz)
from public;
grant execute on function flarewatch.drop_month(date, timestamptz) to flarewatch_verifier;
