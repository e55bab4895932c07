-- More acts at the provider than one: Resend's domains and its suppression list.
set local lock_timeout = '5s';

-- As before, and what may be done at Resend.
create or replace function flarewatch.role_may(role text, act text) returns boolean
  language sql immutable strict parallel safe security invoker set search_path = ''
return (role, act) in (
  ('owner', 'credential.store'),
  ('operator', 'credential.store'),
  ('owner', 'credential.rotate'),
  ('operator', 'credential.rotate'),
  ('owner', 'credential.delete'),
  ('owner', 'credential.reveal'),
  ('owner', 'credential.resync'),
  ('operator', 'credential.resync'),
  ('owner', 'member.invite'),
  ('owner', 'invitation.withdraw'),
  ('owner', 'member.role'),
  ('owner', 'member.remove'),
  ('owner', 'member.reset'),
  ('owner', 'member_reset.cancel'),
  ('owner', 'operator_key.enrol'),
  ('owner', 'provider.purge_cache'),
  ('operator', 'provider.purge_cache'),
  ('owner', 'provider.verify_domain'),
  ('operator', 'provider.verify_domain'),
  ('owner', 'provider.read_suppressions'),
  ('operator', 'provider.read_suppressions'),
  ('owner', 'provider.remove_suppression'),
  ('operator', 'provider.remove_suppression'),
  ('owner', 'console.query'),
  ('operator', 'console.query'),
  ('owner', 'dead_letter.replay'),
  ('operator', 'dead_letter.replay')
);

-- The sealed record and the provider's own id of one of its sites, for the act that the function is about to ask the vault's key for.
create or replace function privileged.sealed_credential(request jsonb) returns jsonb
  language plpgsql stable security definer set search_path = ''
as $$
declare
  act constant text := request ->> 'act';
  answer jsonb;
begin
  if act is null or act not like 'provider.%' then
    perform flarewatch.refuse_request('FW007', 'request_invalid');
  end if;
  perform flarewatch.require_act((request ->> 'tenant_id')::uuid, (request ->> 'user_id')::uuid, act);
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
