-- Operator keys themselves are in a Durable Object: the database must not be able to say which key a reveal is sealed to (V7). What it
-- does is to tell the owners of a key that was enrolled, and to hand a record's ciphertext to the function that seals a reveal.

-- One mail an owner and a key, so that an enrolment that is taken up again tells nobody twice.
set local lock_timeout = '5s';
create unique index mail_outbox_operator_key_idx on flarewatch.mail_outbox (tenant_id, user_id, (payload ->> 'key_id'))
  where kind = 'operator_key';

-- The vault calls it before a key's 24 hours begin. Definer, since the vault reads no outbox; answers how many owners there are.
create function flarewatch.mail_operator_key(
  of_tenant uuid, member uuid, key_id uuid, active_at timestamptz, at timestamptz
) returns bigint
  language sql volatile security definer set search_path = ''
begin atomic
  insert into flarewatch.mail_outbox (tenant_id, user_id, kind, payload, due_at, next_try_at)
  select
    of_tenant,
    members.user_id,
    'operator_key',
    pg_catalog.jsonb_build_object(
      'key_id', mail_operator_key.key_id,
      'member_id', mail_operator_key.member,
      'active_at', pg_catalog.to_char(mail_operator_key.active_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    ),
    mail_operator_key.at,
    mail_operator_key.at
  from flarewatch.members
  where members.tenant_id = of_tenant and members.role = 'owner'
  on conflict do nothing;
  select count(*) from flarewatch.members where members.tenant_id = of_tenant and members.role = 'owner';
end;
revoke execute on function flarewatch.mail_operator_key(uuid, uuid, uuid, timestamptz, timestamptz) from public;
grant execute on function flarewatch.mail_operator_key(uuid, uuid, uuid, timestamptz, timestamptz) to flarewatch_vault;

-- FW024 credential_unknown. Another tenant's credential is unknown like one that never was.
create function privileged.sealed_record(request jsonb) returns jsonb
  language plpgsql stable security definer set search_path = ''
as $$
declare
  of_tenant constant uuid := request ->> 'tenant_id';
  answer jsonb;
begin
  perform flarewatch.require_act(of_tenant, (request ->> 'user_id')::uuid, 'credential.reveal');
  select pg_catalog.jsonb_build_object(
    'dek_version', credentials.dek_version,
    'ciphertext', flarewatch.to_base64url(credentials.ciphertext)
  ) into answer
  from flarewatch.credentials
  where credentials.tenant_id = of_tenant and credentials.id = (request ->> 'credential_id')::uuid
    and credentials.deleted_at is null;
  if answer is null then
    perform flarewatch.refuse_request('FW024', 'credential_unknown');
  end if;
  return answer;
end
$$;
revoke execute on function privileged.sealed_record(jsonb) from public;
grant execute on function privileged.sealed_record(jsonb) to service_role;
