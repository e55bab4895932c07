-- pgls-ignore-all lint/safety/banDropNotNull: no role could reach the outbox so far, so no client reads it and no row is in it
-- pgls-ignore-all lint/safety/runningStatementWhileHoldingAccessExclusive: for the same reason nobody waits for it
-- pgls-ignore-all lint/safety/avoidWideLockWindow: of the two tables that are locked, nobody reaches the first
-- Mail that leaves the system. Rows come from one trigger and one function, in the transaction of what they tell of, and are read by
-- the notifier's functions alone: no role has a grant on the table. Addresses stay in Supabase Auth until a mail is claimed.
set local lock_timeout = '5s';

create role flarewatch_notifier with login noinherit nobypassrls;
grant usage on schema flarewatch to flarewatch_notifier;

-- As with incidents: a mail about a tenant must be writable, and stay, when the tenant's row is gone.
alter table flarewatch.mail_outbox
  drop constraint mail_outbox_tenant_id_fkey,
  alter column tenant_id drop not null,
  -- The owner it is for; null is the operator of this deployment, who is told of every incident.
  add column user_id uuid,
  add column due_at timestamptz not null,
  add column next_try_at timestamptz not null,
  add column attempt integer not null default 0 check (attempt >= 0),
  add column given_up_at timestamptz,
  add column reason text check (reason ~ '^[a-z][a-z0-9_]{0,63}$'),
  add check (kind <> 'receipt' or (tenant_id is not null and user_id is not null)),
  add check (sent_at is null or given_up_at is null),
  add check (given_up_at is null or reason is not null);

-- The one mail of a recipient that still takes further incidents in: it was never claimed, so nobody has seen its text.
create unique index mail_outbox_gathering_idx on flarewatch.mail_outbox (tenant_id, user_id) nulls not distinct
  where kind = 'incident' and attempt = 0;
create unique index mail_outbox_receipt_idx on flarewatch.mail_outbox (tenant_id, user_id, (payload ->> 'size'))
  where kind = 'receipt';
create index mail_outbox_waiting_idx on flarewatch.mail_outbox (next_try_at) where sent_at is null and given_up_at is null;

drop policy "nobody reaches the outbox yet" on flarewatch.mail_outbox;
create policy "the outbox is reached through its functions alone" on flarewatch.mail_outbox
  as restrictive for all to public using (false) with check (false);

-- Adds an incident to a mail's payload: {incidents: {key: {tenant_id, kind, part, seq, at, count}}, more}. Incidents of one kind are one
-- entry, with the first bad row; kinds beyond the bound are counted.
create function flarewatch.gather_incident(payload jsonb, raised flarewatch.incidents) returns jsonb
  language plpgsql stable security invoker set search_path = ''
as $$
declare
  max_entries constant integer := 20;
  key constant text := pg_catalog.concat_ws(' ', (raised).kind, (raised).part, (raised).tenant_id);
  entries constant jsonb := coalesce(payload -> 'incidents', '{}');
  known constant jsonb := entries -> key;
  more constant integer := coalesce((payload ->> 'more')::integer, 0);
begin
  if known is null and (select count(*) from pg_catalog.jsonb_object_keys(entries)) >= max_entries then
    return pg_catalog.jsonb_build_object('incidents', entries, 'more', more + 1);
  end if;
  return pg_catalog.jsonb_build_object(
    'incidents', entries || pg_catalog.jsonb_build_object(key, pg_catalog.jsonb_build_object(
      'tenant_id', (raised).tenant_id,
      'kind', (raised).kind,
      'part', (raised).part,
      'seq', least((known ->> 'seq')::bigint, (raised).seq),
      'at', pg_catalog.to_char(
        least((known ->> 'at')::timestamptz, (raised).at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
      ),
      'count', coalesce((known ->> 'count')::integer, 0) + 1
    )),
    'more', more
  );
end
$$;

-- The first incident is told of at once. After a mail, what follows within a quarter of an hour is gathered into the next one: a part
-- that fails over and over must not use up what the mail provider lets us send.
create function flarewatch.incident_mail_due(of_tenant uuid, recipient uuid, at timestamptz) returns timestamptz
  language sql stable security invoker set search_path = ''
return (
  select coalesce(least(greatest(max(mail.due_at) + interval '15 minutes', at), at + interval '15 minutes'), at)
  from flarewatch.mail_outbox as mail
  where mail.kind = 'incident'
    and mail.tenant_id is not distinct from of_tenant
    and mail.user_id is not distinct from recipient
);

-- L4: no part can raise an incident without its mails. Definer, since whoever raises one reads neither members nor the outbox. Owners
-- in one order and the operator last, so that two incidents at once wait for each other and never in a circle.
create function flarewatch.mail_incident() returns trigger
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  insert into flarewatch.mail_outbox as mail (tenant_id, user_id, kind, payload, due_at, next_try_at)
  select told.tenant_id, told.user_id, 'incident', flarewatch.gather_incident(null, new), told.due_at, told.due_at
  from (
    select recipient.tenant_id, recipient.user_id,
      flarewatch.incident_mail_due(recipient.tenant_id, recipient.user_id, new.at) as due_at
    from (
      select members.tenant_id, members.user_id from flarewatch.members
      where members.tenant_id = new.tenant_id and members.role = 'owner'
      union all
      select null, null
    ) as recipient
  ) as told
  order by told.user_id nulls last
  on conflict (tenant_id, user_id) where kind = 'incident' and attempt = 0
  do update set payload = flarewatch.gather_incident(mail.payload, new);
  return null;
end
$$;

-- ALWAYS: also in a session that calls itself a replica.
create trigger mail_incident after insert on flarewatch.incidents
  for each row execute function flarewatch.mail_incident();
alter table flarewatch.incidents enable always trigger mail_incident;

-- L2: the newest checkpoint of a tenant to each of its owners who does not have it yet; answers how many mails that makes. The verifier
-- names the tenant alone: what is mailed is what the table of receipts holds.
create function flarewatch.mail_receipt(of_tenant uuid, at timestamptz) returns bigint
  language sql volatile security definer set search_path = ''
begin atomic
  with newest as (
    select receipts.size, receipts.note from flarewatch.receipts
    where receipts.log = of_tenant
    order by receipts.size desc
    limit 1
  ), queued as (
    insert into flarewatch.mail_outbox (tenant_id, user_id, kind, payload, due_at, next_try_at)
    select of_tenant, members.user_id, 'receipt',
      pg_catalog.jsonb_build_object('size', newest.size, 'note', newest.note), mail_receipt.at, mail_receipt.at
    from newest cross join flarewatch.members
    where members.tenant_id = of_tenant and members.role = 'owner' and newest.size > coalesce((
      select max((mail.payload ->> 'size')::bigint) from flarewatch.mail_outbox as mail
      where mail.kind = 'receipt' and mail.tenant_id = of_tenant and mail.user_id = members.user_id
    ), 0)
    on conflict do nothing
    returning 1
  )
  select count(*) from queued;
end;

-- The notifier's claim: due mails, incidents first, each leased until `next_try_at`, with the address of who is an owner now and has
-- confirmed it. No address: the recipient is gone. Locked rows are skipped: they are another claim's, or still gathering.
create function flarewatch.claim_mail(at timestamptz, lease_seconds integer, batch integer)
returns table (
  id uuid, kind text, payload jsonb, attempt integer, tenant_id uuid, tenant_name text, to_operator boolean, address text
)
  language plpgsql volatile security definer set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
    with due as (
      select waiting.id from flarewatch.mail_outbox as waiting
      where waiting.sent_at is null and waiting.given_up_at is null and waiting.next_try_at <= claim_mail.at
      order by waiting.kind <> 'incident', waiting.next_try_at, waiting.id
      limit batch
      for update skip locked
    ), claimed as (
      update flarewatch.mail_outbox as mail set
        attempt = mail.attempt + 1,
        next_try_at = claim_mail.at + pg_catalog.make_interval(secs => lease_seconds)
      from due where mail.id = due.id
      returning mail.id, mail.kind, mail.payload, mail.attempt, mail.tenant_id, mail.user_id
    )
    select claimed.id, claimed.kind, claimed.payload, claimed.attempt, claimed.tenant_id, tenants.name,
      claimed.user_id is null, account.email::text
    from claimed
      left join flarewatch.tenants on tenants.id = claimed.tenant_id
      left join flarewatch.members
        on members.tenant_id = claimed.tenant_id and members.user_id = claimed.user_id and members.role = 'owner'
      left join auth.users as account on account.id = members.user_id and account.email_confirmed_at is not null
    order by claimed.kind <> 'incident', claimed.id;
end
$$;

-- What was sent was sent, whoever holds the lease by now.
create function flarewatch.mail_sent(mail_id uuid, at timestamptz) returns void
  language sql volatile security definer set search_path = ''
begin atomic
  update flarewatch.mail_outbox as mail set sent_at = mail_sent.at, given_up_at = null, reason = null
  where mail.id = mail_id and mail.sent_at is null;
end;

create function flarewatch.mail_put_off(mail_id uuid, held_attempt integer, until timestamptz, reason text) returns void
  language sql volatile security definer set search_path = ''
begin atomic
  update flarewatch.mail_outbox as mail set next_try_at = mail_put_off.until, reason = mail_put_off.reason
  where mail.id = mail_id and mail.attempt = held_attempt and mail.sent_at is null and mail.given_up_at is null;
end;

create function flarewatch.mail_given_up(mail_id uuid, held_attempt integer, at timestamptz, reason text) returns void
  language sql volatile security definer set search_path = ''
begin atomic
  update flarewatch.mail_outbox as mail set given_up_at = mail_given_up.at, reason = mail_given_up.reason
  where mail.id = mail_id and mail.attempt = held_attempt and mail.sent_at is null and mail.given_up_at is null;
end;

-- Counts for the bound tenant alone, as `stack_status` has them: how its owners' mails fare, and nothing of what they say.
create function flarewatch.mail_status(at timestamptz)
returns table (waiting bigint, oldest_due_at timestamptz, given_up_24h bigint)
  language sql stable security definer set search_path = ''
begin atomic
  select
    count(mail.id) filter (where mail.sent_at is null and mail.given_up_at is null),
    min(mail.due_at) filter (where mail.sent_at is null and mail.given_up_at is null),
    count(*) filter (where mail.given_up_at > mail_status.at - interval '24 hours' and mail.given_up_at <= mail_status.at)
  from (
    select flarewatch.claim_tenant() as tenant_id where flarewatch.is_member() and flarewatch.totp_enrolled()
  ) as mine
    left join flarewatch.mail_outbox as mail on mail.tenant_id = mine.tenant_id
  having count(mine.tenant_id) > 0;
end;

revoke execute on function
  flarewatch.gather_incident(jsonb, flarewatch.incidents),
  flarewatch.incident_mail_due(uuid, uuid, timestamptz),
  flarewatch.mail_incident(),
  flarewatch.mail_receipt(uuid, timestamptz),
  flarewatch.claim_mail(timestamptz, integer, integer),
  flarewatch.mail_sent(uuid, timestamptz),
  flarewatch.mail_put_off(uuid, integer, timestamptz, text),
  flarewatch.mail_given_up(uuid, integer, timestamptz, text),
  flarewatch.mail_status(timestamptz)
from public;
grant execute on function flarewatch.mail_receipt(uuid, timestamptz) to flarewatch_verifier;
grant execute on function
  flarewatch.claim_mail(timestamptz, integer, integer),
  flarewatch.mail_sent(uuid, timestamptz),
  flarewatch.mail_put_off(uuid, integer, timestamptz, text),
  flarewatch.mail_given_up(uuid, integer, timestamptz, text)
to flarewatch_notifier;
grant execute on function flarewatch.mail_status(timestamptz) to flarewatch_gateway;
