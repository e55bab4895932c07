-- What the Edge Functions may do: these functions and nothing else. service_role has no grant on any table of ours, so that each change
-- is one function, one transaction. Bytes travel as base64url text. Refusals: SQLSTATE FW0xx, the message a stable code.
create schema privileged;
revoke all on schema privileged from public;
grant usage on schema privileged to service_role;

create table flarewatch.idempotency (
  user_id uuid not null,
  key uuid not null,
  function text not null check (char_length(function) between 1 and 64),
  request_digest bytea not null check (octet_length(request_digest) = 32),
  response jsonb not null,
  created_at timestamptz not null default now(),
  primary key (user_id, key)
);
alter table flarewatch.idempotency enable row level security, force row level security;
create policy "answers are replayed by the privileged functions alone" on flarewatch.idempotency
  as restrictive for all to public using (false) with check (false);

create function flarewatch.from_base64url(encoded text) returns bytea
  language sql immutable strict parallel safe security invoker set search_path = ''
return pg_catalog.decode(
  pg_catalog.translate(encoded, '-_', '+/') || pg_catalog.repeat('=', (4 - char_length(encoded) % 4) % 4),
  'base64'
);

create function flarewatch.to_base64url(bytes bytea) returns text
  language sql immutable strict parallel safe security invoker set search_path = ''
return pg_catalog.rtrim(
  pg_catalog.translate(pg_catalog.encode(bytes, 'base64'), E'+/\n', '-_'),
  '='
);

-- FW001 tenant_id_taken, FW002 not_a_member, FW003 role_insufficient, FW004 tenant_not_active, FW005 credential_exists,
-- FW006 idempotency_key_reused, FW007 request_invalid.
create function flarewatch.refuse_request(sqlstate_code text, code text) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
begin
  raise exception using errcode = sqlstate_code, message = code;
end
$$;

-- The member's role; refuses a stranger, and whoever has none of the roles that the act needs.
create function flarewatch.require_role(tenant_id uuid, user_id uuid, roles text[]) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  held text;
begin
  select members.role into held from flarewatch.members
  where members.tenant_id = require_role.tenant_id and members.user_id = require_role.user_id;
  if held is null then
    perform flarewatch.refuse_request('FW002', 'not_a_member');
  end if;
  if held <> all (roles) then
    perform flarewatch.refuse_request('FW003', 'role_insufficient');
  end if;
end
$$;

-- Birth, first half. Repeating it changes nothing and answers with what is stored: the audit key that won is the one to use.
create function privileged.begin_tenant(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  new_tenant constant uuid := request ->> 'tenant_id';
  founder constant uuid := request ->> 'user_id';
  answer jsonb;
begin
  insert into flarewatch.tenants (id, name) values (new_tenant, request ->> 'name') on conflict do nothing;
  if found then
    insert into flarewatch.members (tenant_id, user_id, role) values (new_tenant, founder, 'owner');
    insert into flarewatch.audit_keys (tenant_id, version, kek_version, wrapped_key)
    values (
      new_tenant,
      (request #>> '{audit_key,version}')::integer,
      (request #>> '{audit_key,kek_version}')::integer,
      flarewatch.from_base64url(request #>> '{audit_key,wrapped_key}')
    );
  elsif not exists (
    select from flarewatch.members
    where members.tenant_id = new_tenant and members.user_id = founder and members.role = 'owner'
  ) then
    perform flarewatch.refuse_request('FW001', 'tenant_id_taken');
  end if;
  select pg_catalog.jsonb_build_object(
    'state', tenants.state,
    'audit_key', pg_catalog.jsonb_build_object(
      'version', audit_keys.version,
      'kek_version', audit_keys.kek_version,
      'wrapped_key', flarewatch.to_base64url(audit_keys.wrapped_key)
    )
  ) into strict answer
  from flarewatch.tenants join flarewatch.audit_keys on audit_keys.tenant_id = tenants.id
  where tenants.id = new_tenant
  order by audit_keys.version desc
  limit 1;
  return answer;
end
$$;

-- Birth, second half. The first DEK that arrives stays.
create function privileged.activate_tenant(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  pending constant uuid := request ->> 'tenant_id';
  answer jsonb;
begin
  perform flarewatch.require_role(pending, (request ->> 'user_id')::uuid, array['owner']);
  perform from flarewatch.tenants where tenants.id = pending for update;
  insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
  values (
    pending,
    (request #>> '{dek,version}')::integer,
    (request #>> '{dek,kek_version}')::integer,
    flarewatch.from_base64url(request #>> '{dek,wrapped_dek}')
  )
  on conflict do nothing;
  update flarewatch.tenants set state = 'active', activated_at = now()
  where tenants.id = pending and tenants.state = 'pending';
  select pg_catalog.jsonb_build_object(
    'tenant', pg_catalog.jsonb_build_object('id', tenants.id, 'name', tenants.name, 'state', tenants.state)
  ) into strict answer
  from flarewatch.tenants where tenants.id = pending;
  return answer;
end
$$;

-- Null for a key that is new; the stored answer for the same request; a refusal for another request under the same key.
create function flarewatch.replay(request jsonb) returns jsonb
  language plpgsql stable security invoker set search_path = ''
as $$
declare
  earlier flarewatch.idempotency;
begin
  select * into earlier from flarewatch.idempotency
  where idempotency.user_id = (request ->> 'user_id')::uuid and idempotency.key = (request ->> 'key')::uuid;
  if not found then
    return null;
  end if;
  if earlier.function <> request ->> 'function'
    or earlier.request_digest <> flarewatch.from_base64url(request ->> 'request_digest') then
    perform flarewatch.refuse_request('FW006', 'idempotency_key_reused');
  end if;
  return pg_catalog.jsonb_build_object('response', earlier.response);
end
$$;

create function privileged.idempotent_response(request jsonb) returns jsonb
  language sql stable security definer set search_path = ''
return flarewatch.replay(request);

create function flarewatch.insert_credential(request jsonb) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  credential constant jsonb := request -> 'credential';
begin
  insert into flarewatch.credentials (
    id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt, ciphertext,
    last4, scope, grade, next_poll_at, created_by
  ) values (
    (credential ->> 'id')::uuid,
    (request ->> 'tenant_id')::uuid,
    credential ->> 'provider',
    credential ->> 'label',
    (credential ->> 'kek_version')::integer,
    flarewatch.from_base64url(credential ->> 'wrapped_dek'),
    (credential ->> 'dek_version')::integer,
    flarewatch.from_base64url(credential ->> 'salt'),
    flarewatch.from_base64url(credential ->> 'ciphertext'),
    credential ->> 'last4',
    credential ->> 'scope',
    credential ->> 'grade',
    (request ->> 'at')::timestamptz,
    (request ->> 'user_id')::uuid
  )
  on conflict (id) do nothing;
  if not found then
    perform flarewatch.refuse_request('FW005', 'credential_exists');
  end if;
end
$$;

-- A site that the tenant has already moves to the newer credential and keeps its id, facts and cursors.
create function flarewatch.upsert_sites(request jsonb) returns jsonb
  language sql volatile security invoker set search_path = ''
begin atomic
  with stored as (
    insert into flarewatch.sites as site (id, tenant_id, credential_id, provider, provider_ref, name, time_zone)
    select
      (wanted ->> 'id')::uuid,
      (request ->> 'tenant_id')::uuid,
      (request #>> '{credential,id}')::uuid,
      request #>> '{credential,provider}',
      wanted ->> 'provider_ref',
      wanted ->> 'name',
      coalesce(wanted ->> 'time_zone', 'UTC')
    from pg_catalog.jsonb_array_elements(request -> 'sites') as wanted
    on conflict (tenant_id, provider, provider_ref) do update
      set credential_id = excluded.credential_id, name = excluded.name
    returning site.id, site.name
  )
  select coalesce(
    pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object('id', stored.id, 'name', stored.name) order by lower(stored.name), stored.id
    ),
    '[]'
  ) from stored;
end;

create function privileged.store_credential(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  owner_tenant constant uuid := request ->> 'tenant_id';
  actor constant uuid := request ->> 'user_id';
  max_sites constant integer := 1000;
  replay_for constant interval := '24 hours';
  earlier jsonb;
  answer jsonb;
begin
  -- Two requests under one key: the second waits here and then finds the first one's answer.
  perform pg_catalog.pg_advisory_xact_lock(
    pg_catalog.hashtextextended(request #>> '{idempotency,key}', pg_catalog.hashtextextended(actor::text, 0))
  );
  earlier := flarewatch.replay((request -> 'idempotency') || pg_catalog.jsonb_build_object('user_id', actor));
  if earlier is not null then
    return earlier -> 'response';
  end if;
  perform flarewatch.require_role(owner_tenant, actor, array['owner', 'admin']);
  if not exists (select from flarewatch.tenants where tenants.id = owner_tenant and tenants.state = 'active') then
    perform flarewatch.refuse_request('FW004', 'tenant_not_active');
  end if;
  if pg_catalog.jsonb_array_length(request -> 'sites') > max_sites then
    perform flarewatch.refuse_request('FW007', 'request_invalid');
  end if;
  perform flarewatch.insert_credential(request);
  answer := pg_catalog.jsonb_build_object(
    'credential', pg_catalog.jsonb_build_object(
      'id', request #> '{credential,id}',
      'provider', request #> '{credential,provider}',
      'label', request #> '{credential,label}',
      'last4', request #> '{credential,last4}',
      'scope', request #> '{credential,scope}',
      'grade', request #> '{credential,grade}'
    ),
    'sites', flarewatch.upsert_sites(request)
  );
  delete from flarewatch.idempotency
  where idempotency.user_id = actor and idempotency.created_at < now() - replay_for;
  insert into flarewatch.idempotency (user_id, key, function, request_digest, response)
  values (
    actor,
    (request #>> '{idempotency,key}')::uuid,
    request #>> '{idempotency,function}',
    flarewatch.from_base64url(request #>> '{idempotency,request_digest}'),
    answer
  );
  return answer;
end
$$;

revoke execute on all functions in schema privileged from public;
grant execute on all functions in schema privileged to service_role;
revoke execute on function
  flarewatch.from_base64url(text),
  flarewatch.to_base64url(bytea),
  flarewatch.refuse_request(text, text),
  flarewatch.require_role(uuid, uuid, text[]),
  flarewatch.replay(jsonb),
  flarewatch.insert_credential(jsonb),
  flarewatch.upsert_sites(jsonb)
from public;
