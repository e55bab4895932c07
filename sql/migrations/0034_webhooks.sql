-- pgls-ignore-all lint/safety/addingForeignKeyConstraint: the column is new and null in every row, so that there is nothing to scan
-- pgls-ignore-all lint/safety/runningStatementWhileHoldingAccessExclusive: the table is altered last, and grants are all that follows

-- Webhooks: where a provider delivers, the secrets that it signs with, and the inbox of what was found to be genuine.

-- Jobs are claimed all the time: a lock that does not come soon is given up, and the migration can be run again.
set local lock_timeout = '5s';

-- One for each account at a provider, which is what its key stands for. The id has 128 bits that nobody can guess, and it is all that
-- a delivery is told apart by. What goes with a credential goes by cascade: a tenant's deletion knows of credentials already.
create table flarewatch.webhook_endpoints (
  id text primary key check (id ~ '^[A-Za-z0-9_-]{21}[AQgw]$'),
  tenant_id uuid not null,
  credential_id uuid not null,
  provider text not null check (provider in ('stripe', 'resend')),
  -- Until when what was let in so far uses up the rate.
  paid_until timestamptz not null,
  accepted bigint not null default 0,
  last_received_at timestamptz,
  -- The newest time that any event says it happened at, in whatever order they came.
  last_event_at timestamptz,
  created_at timestamptz not null,
  unique (tenant_id, credential_id),
  foreign key (tenant_id, credential_id) references flarewatch.credentials (tenant_id, id) on delete cascade
);

create table flarewatch.webhook_events (
  id uuid primary key,
  tenant_id uuid not null,
  endpoint_id text not null references flarewatch.webhook_endpoints (id) on delete cascade,
  dek_version integer,
  salt bytea check (octet_length(salt) = 32),
  -- 256 KiB of body, an id of at most 255 bytes, and what sealing adds.
  ciphertext bytea check (octet_length(ciphertext) between 62 and 262600),
  received_at timestamptz not null,
  -- When its id was last handed to the queue, or was about to be.
  queued_at timestamptz not null,
  applied_at timestamptz,
  provider_event text check (char_length(provider_event) between 1 and 255),
  happened_at timestamptz,
  intent_row uuid,
  check (num_nulls(dek_version, salt, ciphertext) in (0, 3)),
  check ((provider_event is null) = (happened_at is null)),
  foreign key (tenant_id, dek_version) references flarewatch.tenant_keys (tenant_id, version)
);
create unique index webhook_events_once_idx on flarewatch.webhook_events (endpoint_id, provider_event);
create index webhook_events_dek_idx on flarewatch.webhook_events (tenant_id, dek_version);
create index webhook_events_waiting_idx on flarewatch.webhook_events (queued_at) where applied_at is null;
create index webhook_events_age_idx on flarewatch.webhook_events (received_at);

alter table flarewatch.webhook_endpoints enable row level security, force row level security;
alter table flarewatch.webhook_events enable row level security, force row level security;

grant select (id, tenant_id, credential_id, provider, accepted, last_received_at, last_event_at)
on flarewatch.webhook_endpoints to flarewatch_gateway;
create policy "members see where their tenant's webhooks are delivered" on flarewatch.webhook_endpoints
  for select to flarewatch_gateway
  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));
create policy "a user without verified TOTP sees no webhook endpoint" on flarewatch.webhook_endpoints
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));

-- What opens an event, and never what it opens.
grant select (id, tenant_id, dek_version, salt, applied_at, intent_row), update (intent_row)
on flarewatch.webhook_events to flarewatch_vault;
create policy "the vault sees what every event is sealed by" on flarewatch.webhook_events
  for select to flarewatch_vault using (true);
create policy "the vault notes the intent row of an event that waits" on flarewatch.webhook_events
  for update to flarewatch_vault using (applied_at is null) with check (applied_at is null);

-- The rate of one endpoint: twenty a minute, sixty at once. Each costs two rows of the audit log, genuine or not.
create function flarewatch.webhook_spacing() returns interval
  language sql immutable security invoker set search_path = ''
return interval '3 seconds';
create function flarewatch.webhook_burst() returns interval
  language sql immutable security invoker set search_path = ''
return interval '180 seconds';

-- No row for an endpoint that takes nothing; one row that is not admitted when it takes no more now; else the sealed secrets that are
-- valid, the newest first. Definer: the vault gets to see these records, and no other's ciphertext.
create function flarewatch.admit_webhook(endpoint_id text, provider text, at timestamptz)
returns table (
  admitted boolean,
  tenant_id uuid,
  credential_id uuid,
  kek_version integer,
  wrapped_dek bytea,
  dek_version integer,
  dek_known boolean,
  salt bytea,
  ciphertext bytea
)
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  held flarewatch.webhook_endpoints;
  paid timestamptz;
begin
  select endpoint.* into held
  from flarewatch.webhook_endpoints as endpoint
  join flarewatch.tenants as tenant on tenant.id = endpoint.tenant_id and tenant.state = 'active'
  join flarewatch.credentials as account
    on account.tenant_id = endpoint.tenant_id and account.id = endpoint.credential_id and account.deleted_at is null
  where endpoint.id = admit_webhook.endpoint_id and endpoint.provider = admit_webhook.provider
    and exists (
      select from flarewatch.credentials as secret
      where secret.tenant_id = endpoint.tenant_id and secret.webhook_of = endpoint.credential_id and secret.deleted_at is null
    )
  for update of endpoint;
  if not found then
    return;
  end if;
  paid := greatest(held.paid_until, admit_webhook.at) + flarewatch.webhook_spacing();
  if paid > admit_webhook.at + flarewatch.webhook_burst() then
    return query select
      false, held.tenant_id, null::uuid, null::integer, null::bytea, null::integer, null::boolean, null::bytea, null::bytea;
    return;
  end if;
  update flarewatch.webhook_endpoints as endpoint set paid_until = paid where endpoint.id = held.id;
  return query
    select
      true, secret.tenant_id, secret.id, secret.kek_version, secret.wrapped_dek, secret.dek_version,
      dek.version is not null, secret.salt, secret.ciphertext
    from flarewatch.credentials as secret
    left join flarewatch.tenant_keys as dek on dek.tenant_id = secret.tenant_id and dek.version = secret.dek_version
    where secret.tenant_id = held.tenant_id and secret.webhook_of = held.credential_id and secret.deleted_at is null
    order by secret.created_at desc, secret.id;
end
$$;

-- The gateway's one write. The tenant is the endpoint's and no argument: a delivery of one lands nowhere else, and what the vault did
-- not seal for this tenant and this event does not open. False where endpoint or key went meanwhile: the provider tries again.
create function flarewatch.receive_webhook(
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
  return true;
end
$$;

-- The event that a message names, as long as it waits. Without its body where the key that it was sealed by is gone.
create function flarewatch.waiting_event(event_id uuid)
returns table (tenant_id uuid, provider text, dek_version integer, ciphertext bytea)
  language sql stable security definer set search_path = ''
begin atomic
  select event.tenant_id, endpoint.provider, event.dek_version, event.ciphertext
  from flarewatch.webhook_events as event join flarewatch.webhook_endpoints as endpoint on endpoint.id = event.endpoint_id
  where event.id = waiting_event.event_id and event.applied_at is null;
end;

-- Once an event: its account is due for a poll, and that is all that an event changes, whatever it says and in whatever order it
-- comes. `duplicate` for one that came before, of which nothing is kept; `gone` for one that does not wait. Without a name, since
-- its body cannot be read any more, it is applied all the same: a poll too many is no harm.
create function flarewatch.apply_event(event_id uuid, provider_event text, happened_at timestamptz, at timestamptz)
returns text
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

-- Events that wait although their id went to the queue a while ago: it was down, or lost it, or no retry helped. Given up after three
-- days, as the providers do; their rows stay until they are old.
create function flarewatch.requeue_events(at timestamptz, batch integer) returns setof uuid
  language sql volatile security definer set search_path = ''
begin atomic
  update flarewatch.webhook_events as event set queued_at = requeue_events.at
  from (
    select waiting.id from flarewatch.webhook_events as waiting
    where waiting.applied_at is null
      and waiting.queued_at <= requeue_events.at - interval '5 minutes'
      and waiting.received_at > requeue_events.at - interval '3 days'
    order by waiting.queued_at
    limit requeue_events.batch
    for update skip locked
  ) as lost
  where event.id = lost.id
  returning event.id;
end;

-- Thirty days after they came, events go. How many went.
create function flarewatch.drop_old_events(at timestamptz, batch integer) returns integer
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  dropped integer;
begin
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

-- As before; and what events keep under a version goes with it, since the bodies would be all that holds it. One that still waits is
-- applied without its body.
create or replace function flarewatch.destroy_old_deks(tenant_id uuid) returns setof integer
  language sql volatile security definer set search_path = ''
begin atomic
  update flarewatch.webhook_events as event set dek_version = null, salt = null, ciphertext = null
  where event.tenant_id = destroy_old_deks.tenant_id
    and event.dek_version < (
      select max(newest.version) from flarewatch.tenant_keys as newest where newest.tenant_id = destroy_old_deks.tenant_id
    )
    and not exists (
      select from flarewatch.credentials
      where credentials.tenant_id = event.tenant_id and credentials.dek_version = event.dek_version
    );
  delete from flarewatch.tenant_keys as old
  where old.tenant_id = destroy_old_deks.tenant_id
    and old.version < (
      select max(newest.version) from flarewatch.tenant_keys as newest where newest.tenant_id = destroy_old_deks.tenant_id
    )
    and not exists (
      select from flarewatch.credentials
      where credentials.tenant_id = old.tenant_id and credentials.dek_version = old.version
    )
  returning old.version;
end;

-- FW096 webhook_unsupported, FW097 webhook_secrets_full. A signing secret becomes a credential of its own, which opens, moves to newer
-- keys and is destroyed like any other; the first of an account makes its endpoint. Two at most are valid: the old one and the new
-- one, while a secret is rolled.
create function privileged.store_webhook_secret(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  of_tenant constant uuid := request ->> 'tenant_id';
  secret constant jsonb := request -> 'credential';
  at constant timestamptz := request ->> 'at';
  max_secrets constant integer := 2;
  account flarewatch.credentials;
  answer jsonb := flarewatch.replay_or_wait(request);
begin
  if answer is not null then
    return answer;
  end if;
  perform flarewatch.require_act(of_tenant, (request ->> 'user_id')::uuid, 'credential.store');
  -- One secret of an account after another, so that the bound holds.
  select * into account from flarewatch.credentials as record
  where record.tenant_id = of_tenant and record.id = (secret ->> 'webhook_of')::uuid and record.deleted_at is null
  for update;
  if not found then
    perform flarewatch.refuse_request('FW024', 'credential_unknown');
  end if;
  if account.webhook_of is not null or account.provider <> secret ->> 'provider' then
    perform flarewatch.refuse_request('FW096', 'webhook_unsupported');
  end if;
  if (
    select count(*) from flarewatch.credentials as valid
    where valid.tenant_id = of_tenant and valid.webhook_of = account.id and valid.deleted_at is null
  ) >= max_secrets then
    perform flarewatch.refuse_request('FW097', 'webhook_secrets_full');
  end if;
  perform flarewatch.hold_dek(request);
  insert into flarewatch.credentials (
    id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt, ciphertext,
    last4, scope, grade, next_poll_at, created_by, webhook_of
  ) values (
    (secret ->> 'id')::uuid,
    of_tenant,
    account.provider,
    secret ->> 'label',
    (secret ->> 'kek_version')::integer,
    flarewatch.from_base64url(secret ->> 'wrapped_dek'),
    (secret ->> 'dek_version')::integer,
    flarewatch.from_base64url(secret ->> 'salt'),
    flarewatch.from_base64url(secret ->> 'ciphertext'),
    secret ->> 'last4',
    'signs webhooks',
    'read_only',
    'infinity',
    (request ->> 'user_id')::uuid,
    account.id
  )
  on conflict (id) do nothing;
  if not found then
    perform flarewatch.refuse_request('FW005', 'credential_exists');
  end if;
  insert into flarewatch.webhook_endpoints (id, tenant_id, credential_id, provider, paid_until, created_at)
  values (request ->> 'endpoint_id', of_tenant, account.id, account.provider, at, at)
  on conflict do nothing;
  if not exists (
    select from flarewatch.webhook_endpoints as own where own.tenant_id = of_tenant and own.credential_id = account.id
  ) then
    perform flarewatch.refuse_request('FW005', 'credential_exists');
  end if;
  select pg_catalog.jsonb_build_object(
    'credential', pg_catalog.jsonb_build_object('id', secret ->> 'id', 'last4', secret ->> 'last4'),
    'endpoint', pg_catalog.jsonb_build_object('id', endpoint.id, 'provider', endpoint.provider)
  ) into strict answer
  from flarewatch.webhook_endpoints as endpoint
  where endpoint.tenant_id = of_tenant and endpoint.credential_id = account.id;
  perform flarewatch.keep_response(request, answer);
  return answer;
end
$$;

revoke execute on function
  flarewatch.webhook_spacing(),
  flarewatch.webhook_burst(),
  flarewatch.admit_webhook(text, text, timestamptz),
  flarewatch.receive_webhook(text, uuid, integer, bytea, bytea, timestamptz),
  flarewatch.waiting_event(uuid),
  flarewatch.apply_event(uuid, text, timestamptz, timestamptz),
  flarewatch.requeue_events(timestamptz, integer),
  flarewatch.drop_old_events(timestamptz, integer),
  privileged.store_webhook_secret(jsonb)
from public;
grant execute on function flarewatch.admit_webhook(text, text, timestamptz) to flarewatch_vault;
grant execute on function flarewatch.receive_webhook(text, uuid, integer, bytea, bytea, timestamptz) to flarewatch_gateway;
grant execute on function
  flarewatch.waiting_event(uuid), flarewatch.apply_event(uuid, text, timestamptz, timestamptz)
to flarewatch_connector;
grant execute on function
  flarewatch.requeue_events(timestamptz, integer), flarewatch.drop_old_events(timestamptz, integer)
to flarewatch_scheduler;
grant execute on function privileged.store_webhook_secret(jsonb) to service_role;

-- Last, so that the table is locked for as short as can be.
-- The account whose webhooks this secret signs; null for what a provider is asked with. Such a secret is never due.
alter table flarewatch.credentials
  add column webhook_of uuid,
  add constraint credentials_webhook_of_fkey
    foreign key (tenant_id, webhook_of) references flarewatch.credentials (tenant_id, id) on delete cascade,
  add constraint credentials_webhook_not_polled check (webhook_of is null or next_poll_at = 'infinity');
grant select (webhook_of) on flarewatch.credentials to flarewatch_gateway, flarewatch_vault;
create index credentials_webhook_idx on flarewatch.credentials (tenant_id, webhook_of) where webhook_of is not null;
