-- pgls-ignore-all lint/safety/runningStatementWhileHoldingAccessExclusive: what follows makes functions and grants, in milliseconds

-- Webhooks are compared with the provider's own list: what never came is filled in, and counted day by day.

-- Events come all the time: a lock that does not come soon is given up, and the migration can be run again.
set local lock_timeout = '5s';

-- What came to an endpoint in one UTC day.
create table flarewatch.webhook_days (
  endpoint_id text not null references flarewatch.webhook_endpoints (id) on delete cascade,
  tenant_id uuid not null,
  day date not null,
  delivered bigint not null default 0,
  -- Of those that were delivered, how many had come before.
  duplicates bigint not null default 0,
  -- Found in the provider's list, and never delivered until then.
  gaps bigint not null default 0,
  primary key (endpoint_id, day)
);
create index webhook_days_day_idx on flarewatch.webhook_days (day);

alter table flarewatch.webhook_days enable row level security, force row level security;
grant select on flarewatch.webhook_days to flarewatch_gateway;
create policy "members see what came to their tenant's webhooks" on flarewatch.webhook_days
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees nothing of what came to webhooks" on flarewatch.webhook_days
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));

create function flarewatch.count_webhook(
  endpoint_id text, at timestamptz, delivered integer default 0, duplicates integer default 0, gaps integer default 0
) returns void
  language sql volatile security invoker set search_path = ''
begin atomic
  insert into flarewatch.webhook_days as counted (endpoint_id, tenant_id, day, delivered, duplicates, gaps)
  select
    endpoint.id, endpoint.tenant_id, (count_webhook.at at time zone 'UTC')::date,
    count_webhook.delivered, count_webhook.duplicates, count_webhook.gaps
  from flarewatch.webhook_endpoints as endpoint where endpoint.id = count_webhook.endpoint_id
  on conflict on constraint webhook_days_pkey do update set
    delivered = counted.delivered + excluded.delivered,
    duplicates = counted.duplicates + excluded.duplicates,
    gaps = counted.gaps + excluded.gaps;
end;

-- As before, and counted.
create or replace function flarewatch.receive_webhook(
  endpoint_id text,
  event_id uuid,
  dek_version integer,
  salt bytea,
  ciphertext bytea,
  at timestamptz
) returns boolean
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  owner_tenant uuid;
begin
  update flarewatch.webhook_endpoints as endpoint
  set accepted = endpoint.accepted + 1, last_received_at = greatest(endpoint.last_received_at, receive_webhook.at)
  where endpoint.id = receive_webhook.endpoint_id
  returning endpoint.tenant_id into owner_tenant;
  -- Held until the event is there: a version that is being destroyed is waited for, and then gone.
  perform from flarewatch.tenant_keys
  where tenant_keys.tenant_id = owner_tenant and tenant_keys.version = receive_webhook.dek_version
  for key share;
  if not found then
    return false;
  end if;
  insert into flarewatch.webhook_events (
    id, tenant_id, endpoint_id, dek_version, salt, ciphertext, received_at, queued_at
  ) values (
    receive_webhook.event_id, owner_tenant, receive_webhook.endpoint_id, receive_webhook.dek_version,
    receive_webhook.salt, receive_webhook.ciphertext, receive_webhook.at, receive_webhook.at
  );
  perform flarewatch.count_webhook(receive_webhook.endpoint_id, receive_webhook.at, delivered => 1);
  return true;
end
$$;

-- As before, and a repetition is counted.
create or replace function flarewatch.apply_event(
  event_id uuid, provider_event text, happened_at timestamptz, at timestamptz
) returns text
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  waiting flarewatch.webhook_events;
  endpoint flarewatch.webhook_endpoints;
begin
  select * into waiting from flarewatch.webhook_events where webhook_events.id = apply_event.event_id;
  -- One event of an endpoint after another: of two that are the same, the second finds the first.
  select * into endpoint from flarewatch.webhook_endpoints where webhook_endpoints.id = waiting.endpoint_id for update;
  perform from flarewatch.webhook_events
  where webhook_events.id = apply_event.event_id and webhook_events.applied_at is null for update;
  if not found then
    return 'gone';
  end if;
  if exists (
    select from flarewatch.webhook_events as earlier
    where earlier.endpoint_id = endpoint.id and earlier.provider_event = apply_event.provider_event
  ) then
    delete from flarewatch.webhook_events where webhook_events.id = apply_event.event_id;
    perform flarewatch.count_webhook(endpoint.id, apply_event.at, duplicates => 1);
    return 'duplicate';
  end if;
  update flarewatch.webhook_events as event set
    applied_at = apply_event.at, provider_event = apply_event.provider_event, happened_at = apply_event.happened_at
  where event.id = apply_event.event_id;
  update flarewatch.webhook_endpoints as seen
  set last_event_at = greatest(seen.last_event_at, apply_event.happened_at)
  where seen.id = endpoint.id;
  update flarewatch.credentials as account set next_poll_at = apply_event.at
  where account.tenant_id = endpoint.tenant_id and account.id = endpoint.credential_id and account.state = 'active'
    and account.next_poll_at > apply_event.at;
  return 'applied';
end
$$;

-- As before; and days go after ninety.
create or replace function flarewatch.drop_old_events(at timestamptz, batch integer) returns integer
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  dropped integer;
begin
  delete from flarewatch.webhook_days as counted
  where counted.day < (drop_old_events.at at time zone 'UTC')::date - 90;
  delete from flarewatch.webhook_events as event
  using (
    select old.id from flarewatch.webhook_events as old
    where old.received_at <= drop_old_events.at - interval '30 days'
    order by old.received_at
    limit drop_old_events.batch
  ) as chosen
  where event.id = chosen.id;
  get diagnostics dropped = row_count;
  return dropped;
end
$$;

alter table flarewatch.webhook_events
  add column source text not null default 'delivered' constraint webhook_events_source_check check (source in ('delivered', 'reconciled'));
alter table flarewatch.webhook_endpoints
  -- Up to when the provider's list was compared with what came; null before the first time.
  add column reconciled_until timestamptz,
  add column reconcile_at timestamptz not null default '-infinity',
  -- Why the last comparison could not be made.
  add column reconcile_code text constraint webhook_endpoints_code_check check (reconcile_code ~ '^[a-z][a-z0-9_]{0,63}$');

-- The endpoint of the leased job's own account, where a comparison is due and a secret is valid, and from when on: an hour before the
-- end of the last one, since a provider may list an event late, and never from before there was anything to deliver to.
create function flarewatch.reconcilable_endpoint() returns table (endpoint_id text, provider text, since timestamptz)
  language sql stable security definer set search_path = ''
begin atomic
  select
    endpoint.id,
    endpoint.provider,
    greatest(
      endpoint.created_at, endpoint.reconciled_until - interval '1 hour', flarewatch.bound_at() - interval '30 days'
    )
  from flarewatch.webhook_endpoints as endpoint
  where endpoint.tenant_id = flarewatch.leased_tenant() and endpoint.credential_id = flarewatch.leased_credential()
    and endpoint.reconcile_at <= flarewatch.bound_at()
    and exists (
      select from flarewatch.credentials as secret
      where secret.tenant_id = endpoint.tenant_id and secret.webhook_of = endpoint.credential_id and secret.deleted_at is null
    );
end;

-- Of events that the provider lists, those that never came to the leased job's own account.
create function flarewatch.missing_events(listed jsonb) returns setof text
  language sql stable security definer set search_path = ''
begin atomic
  select named.event
  from flarewatch.webhook_endpoints as endpoint cross join pg_catalog.jsonb_array_elements_text(missing_events.listed) as named (event)
  where endpoint.tenant_id = flarewatch.leased_tenant() and endpoint.credential_id = flarewatch.leased_credential()
    and not exists (
      select from flarewatch.webhook_events as known
      where known.endpoint_id = endpoint.id and known.provider_event = named.event
    );
end;

-- One of them, sealed like one that came, and applied at once, since its id and time are known: its account is due for a poll. False for
-- one that came meanwhile, and where endpoint or key went.
create function flarewatch.fill_gap(
  event_id uuid, provider_event text, happened_at timestamptz, dek_version integer, salt bytea, ciphertext bytea
) returns boolean
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  at constant timestamptz := flarewatch.bound_at();
  endpoint flarewatch.webhook_endpoints;
begin
  select * into endpoint from flarewatch.webhook_endpoints as own
  where own.tenant_id = flarewatch.leased_tenant() and own.credential_id = flarewatch.leased_credential()
  for update;
  perform from flarewatch.tenant_keys
  where tenant_keys.tenant_id = endpoint.tenant_id and tenant_keys.version = fill_gap.dek_version
  for key share;
  if not found then
    return false;
  end if;
  insert into flarewatch.webhook_events (
    id, tenant_id, endpoint_id, source, dek_version, salt, ciphertext, received_at, queued_at, applied_at, provider_event,
    happened_at
  ) values (
    fill_gap.event_id, endpoint.tenant_id, endpoint.id, 'reconciled', fill_gap.dek_version, fill_gap.salt,
    fill_gap.ciphertext, at, at, at, fill_gap.provider_event, fill_gap.happened_at
  )
  on conflict do nothing;
  if not found then
    return false;
  end if;
  perform flarewatch.count_webhook(endpoint.id, at, gaps => 1);
  update flarewatch.webhook_endpoints as seen
  set last_event_at = greatest(seen.last_event_at, fill_gap.happened_at)
  where seen.id = endpoint.id;
  update flarewatch.credentials as account set next_poll_at = at
  where account.tenant_id = endpoint.tenant_id and account.id = endpoint.credential_id and account.state = 'active'
    and account.next_poll_at > at;
  return true;
end
$$;

-- How a comparison ended, and when the next one is due: without a code, all until then was compared.
create function flarewatch.end_reconciliation(until timestamptz, again_at timestamptz, code text) returns void
  language sql volatile security definer set search_path = ''
begin atomic
  update flarewatch.webhook_endpoints as endpoint set
    reconciled_until = case
      when end_reconciliation.code is null then end_reconciliation.until else endpoint.reconciled_until
    end,
    reconcile_at = end_reconciliation.again_at,
    reconcile_code = end_reconciliation.code
  where endpoint.tenant_id = flarewatch.leased_tenant() and endpoint.credential_id = flarewatch.leased_credential();
end;

revoke execute on function
  flarewatch.count_webhook(text, timestamptz, integer, integer, integer),
  flarewatch.reconcilable_endpoint(),
  flarewatch.missing_events(jsonb),
  flarewatch.fill_gap(uuid, text, timestamptz, integer, bytea, bytea),
  flarewatch.end_reconciliation(timestamptz, timestamptz, text)
from public;

grant select (reconciled_until, reconcile_code) on flarewatch.webhook_endpoints to flarewatch_gateway;
grant execute on function
  flarewatch.reconcilable_endpoint(),
  flarewatch.missing_events(jsonb),
  flarewatch.fill_gap(uuid, text, timestamptz, integer, bytea, bytea),
  flarewatch.end_reconciliation(timestamptz, timestamptz, text)
to flarewatch_connector;
