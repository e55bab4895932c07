-- pgls-ignore-all lint/safety/banDropNotNull: a null comes with a deletion alone, and whoever reads these columns reads those of credentials that live
-- pgls-ignore-all lint/safety/runningStatementWhileHoldingAccessExclusive: the table is altered last, and a grant is all that follows

-- What becomes of a stored credential: replaced by a newer secret, used once to write at the provider, destroyed.

-- Jobs are claimed all the time: a lock that does not come soon is given up, and the migration can be run again.
set local lock_timeout = '5s';

-- As before, with what the token can.
create or replace function flarewatch.insert_credential(request jsonb) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  credential constant jsonb := request -> 'credential';
begin
  perform flarewatch.hold_dek(request);
  insert into flarewatch.credentials (
    id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt, ciphertext,
    last4, scope, grade, can, excess, next_poll_at, created_by
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
    flarewatch.text_list(credential -> 'can'),
    flarewatch.text_list(credential -> 'excess'),
    (request ->> 'at')::timestamptz,
    (request ->> 'user_id')::uuid
  )
  on conflict (id) do nothing;
  if not found then
    perform flarewatch.refuse_request('FW005', 'credential_exists');
  end if;
end
$$;

-- FW008. Held until the record is there: a version that is being destroyed is waited for, and then gone.
create function flarewatch.hold_dek(request jsonb) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
begin
  perform from flarewatch.tenant_keys
  where tenant_keys.tenant_id = (request ->> 'tenant_id')::uuid
    and tenant_keys.version = (request #>> '{credential,dek_version}')::integer
  for key share;
  if not found then
    perform flarewatch.refuse_request('FW008', 'tenant_key_rotated');
  end if;
end
$$;

create function flarewatch.text_list(list jsonb) returns text[]
  language sql immutable security invoker set search_path = ''
return coalesce((select array_agg(item) from pg_catalog.jsonb_array_elements_text(list) as item), '{}');

-- The new record in the old one's place, in one step, and only in the place of the record that the vault saw (FW023). A job
-- that runs holds the old record's key and ends with it; whoever opens from now on opens the new one.
create function privileged.rotate_credential(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  credential constant jsonb := request -> 'credential';
  max_sites constant integer := 1000;
  answer jsonb := flarewatch.replay_or_wait(request);
begin
  if answer is not null then
    return answer;
  end if;
  perform flarewatch.require_act((request ->> 'tenant_id')::uuid, (request ->> 'user_id')::uuid, 'credential.rotate');
  if pg_catalog.jsonb_array_length(request -> 'sites') > max_sites then
    perform flarewatch.refuse_request('FW007', 'request_invalid');
  end if;
  perform flarewatch.hold_dek(request);
  update flarewatch.credentials as record set
    kek_version = (credential ->> 'kek_version')::integer,
    wrapped_dek = flarewatch.from_base64url(credential ->> 'wrapped_dek'),
    dek_version = (credential ->> 'dek_version')::integer,
    salt = flarewatch.from_base64url(credential ->> 'salt'),
    ciphertext = flarewatch.from_base64url(credential ->> 'ciphertext'),
    last4 = credential ->> 'last4',
    scope = credential ->> 'scope',
    grade = credential ->> 'grade',
    can = flarewatch.text_list(credential -> 'can'),
    excess = flarewatch.text_list(credential -> 'excess'),
    state = 'active',
    reason = null,
    next_poll_at = (request ->> 'at')::timestamptz,
    rotated_at = (request ->> 'at')::timestamptz
  where record.id = (credential ->> 'id')::uuid
    and record.tenant_id = (request ->> 'tenant_id')::uuid
    and record.salt = flarewatch.from_base64url(credential ->> 'replaces');
  if not found then
    perform flarewatch.refuse_request('FW023', 'credential_moved');
  end if;
  select pg_catalog.jsonb_build_object(
    'credential', pg_catalog.jsonb_build_object(
      'id', record.id, 'provider', record.provider, 'label', record.label, 'last4', record.last4,
      'scope', record.scope, 'grade', record.grade
    ),
    'sites', flarewatch.upsert_sites(request)
  ) into strict answer
  from flarewatch.credentials as record where record.id = (credential ->> 'id')::uuid;
  perform flarewatch.keep_response(request, answer);
  return answer;
end
$$;

-- Everything that opens is destroyed where it lies, its jobs end, and the line stays: whose figures are these, and since when
-- does nobody fetch new ones.
create function privileged.delete_credential(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  doomed constant uuid := request ->> 'credential_id';
  at constant timestamptz := request ->> 'at';
  answer jsonb := flarewatch.replay_or_wait(request);
begin
  if answer is not null then
    return answer;
  end if;
  perform flarewatch.require_act((request ->> 'tenant_id')::uuid, (request ->> 'user_id')::uuid, 'credential.delete');
  update flarewatch.credentials as record set
    kek_version = null, wrapped_dek = null, dek_version = null, salt = null, ciphertext = null,
    state = 'parked', reason = 'credential_deleted', deleted_at = at
  where record.id = doomed and record.tenant_id = (request ->> 'tenant_id')::uuid and record.deleted_at is null;
  if not found then
    perform flarewatch.refuse_request('FW024', 'credential_unknown');
  end if;
  update flarewatch.jobs set state = 'failed', outcome = 'credential_deleted', finished_at = at
  where jobs.credential_id = doomed and jobs.state = 'leased';
  answer := pg_catalog.jsonb_build_object(
    'credential', pg_catalog.jsonb_build_object('id', doomed, 'deleted_at', pg_catalog.to_jsonb(at))
  );
  perform flarewatch.keep_response(request, answer);
  return answer;
end
$$;

-- The sealed record and the zone of one of its sites, for the function that is about to ask the vault for its key.
create function privileged.sealed_credential(request jsonb) returns jsonb
  language plpgsql stable security definer set search_path = ''
as $$
declare
  answer jsonb;
begin
  perform flarewatch.require_act((request ->> 'tenant_id')::uuid, (request ->> 'user_id')::uuid, 'provider.purge_cache');
  select pg_catalog.jsonb_build_object(
    'ciphertext', flarewatch.to_base64url(record.ciphertext),
    'provider', record.provider,
    'provider_ref', site.provider_ref,
    'name', site.name
  ) into answer
  from flarewatch.credentials as record
  join flarewatch.sites as site on site.tenant_id = record.tenant_id and site.credential_id = record.id
  where record.tenant_id = (request ->> 'tenant_id')::uuid
    and record.id = (request ->> 'credential_id')::uuid
    and site.id = (request ->> 'site_id')::uuid
    and record.deleted_at is null;
  if answer is null then
    perform flarewatch.refuse_request('FW024', 'credential_unknown');
  end if;
  return answer;
end
$$;

-- The answer of an act that changed nothing of ours, so that its repetition is answered and not done again.
create function privileged.keep_response(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  earlier constant jsonb := flarewatch.replay_or_wait(request);
begin
  if earlier is null then
    perform flarewatch.keep_response(request, request -> 'response');
  end if;
  return coalesce(earlier, request -> 'response');
end
$$;

revoke execute on function
  privileged.rotate_credential(jsonb),
  privileged.delete_credential(jsonb),
  privileged.sealed_credential(jsonb),
  privileged.keep_response(jsonb),
  flarewatch.hold_dek(jsonb),
  flarewatch.text_list(jsonb)
from public;
grant execute on function
  privileged.rotate_credential(jsonb),
  privileged.delete_credential(jsonb),
  privileged.sealed_credential(jsonb),
  privileged.keep_response(jsonb)
to service_role;

-- Last, so that the table is locked for as short as can be.
-- What the provider lists for the token, in words; `excess` is what goes beyond reading the figures (T5).
alter table flarewatch.credentials
  add column can text[] not null default '{}'
    check (cardinality(can) <= 100 and char_length(array_to_string(can, '')) <= 4000),
  add column excess text[] not null default '{}'
    check (cardinality(excess) <= 100 and char_length(array_to_string(excess, '')) <= 4000),
  add column rotated_at timestamptz,
  add column deleted_at timestamptz,
  alter column kek_version drop not null,
  alter column wrapped_dek drop not null,
  alter column dek_version drop not null,
  alter column salt drop not null,
  alter column ciphertext drop not null,
  -- A deleted credential keeps its line, for its sites and their figures, and nothing that opens or could be opened.
  add constraint credentials_sealed_until_deleted check (
    num_nulls(kek_version, wrapped_dek, dek_version, salt, ciphertext) = case when deleted_at is null then 0 else 5 end
    and (deleted_at is null or state = 'parked')
  );
grant select (can, excess, rotated_at, deleted_at) on flarewatch.credentials to flarewatch_gateway;
