-- pgls-ignore-all lint/safety/runningStatementWhileHoldingAccessExclusive: members is a short table, and nobody waits for long
-- pgls-ignore-all lint/safety/avoidWideLockWindow: for the same reason
-- pgls-ignore-all lint/safety/multipleAlterTable: rows change their role between the two
-- People: roles and what each may do, tiers, invitations, changes of membership.
set local lock_timeout = '5s';

alter table flarewatch.members drop constraint members_role_check;
update flarewatch.members set role = 'operator' where members.role = 'admin';
alter table flarewatch.members add constraint members_role_check check (role in ('owner', 'operator', 'viewer'));

alter table flarewatch.tenants add column tier text not null default 'free' check (tier in ('free', 'pro', 'agency'));

-- The SQL side of domain/contracts/roles.ts. A function and not a table: nothing at run time can change who may do what.
create function flarewatch.role_may(role text, act text) returns boolean
  language sql immutable strict parallel safe security invoker set search_path = ''
return (role, act) in (
  ('owner', 'credential.store'),
  ('operator', 'credential.store'),
  ('owner', 'credential.rotate'),
  ('operator', 'credential.rotate'),
  ('owner', 'credential.delete'),
  ('owner', 'credential.reveal'),
  ('owner', 'member.invite'),
  ('owner', 'member.role'),
  ('owner', 'member.remove'),
  ('owner', 'member.reset'),
  ('owner', 'operator_key.enrol'),
  ('owner', 'provider.purge_cache'),
  ('operator', 'provider.purge_cache'),
  ('owner', 'console.query'),
  ('operator', 'console.query')
);

-- The one judgement of who may act: a member, whose role may, of a tenant that is active.
create function flarewatch.require_act(tenant_id uuid, user_id uuid, act text) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  held text;
begin
  select members.role into held from flarewatch.members
  where members.tenant_id = require_act.tenant_id and members.user_id = require_act.user_id;
  if held is null then
    perform flarewatch.refuse_request('FW002', 'not_a_member');
  end if;
  if not flarewatch.role_may(held, act) then
    perform flarewatch.refuse_request('FW003', 'role_insufficient');
  end if;
  if not exists (select from flarewatch.tenants where tenants.id = require_act.tenant_id and tenants.state = 'active') then
    perform flarewatch.refuse_request('FW004', 'tenant_not_active');
  end if;
end
$$;

-- The answer of an earlier request under this key, or null; a second request under it waits until the first one has ended.
create function flarewatch.replay_or_wait(request jsonb) returns jsonb
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  actor constant text := request ->> 'user_id';
begin
  perform pg_catalog.pg_advisory_xact_lock(
    pg_catalog.hashtextextended(request #>> '{idempotency,key}', pg_catalog.hashtextextended(actor, 0))
  );
  return flarewatch.replay((request -> 'idempotency') || pg_catalog.jsonb_build_object('user_id', actor)) -> 'response';
end
$$;

create function flarewatch.keep_response(request jsonb, response jsonb) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  replay_for constant interval := '24 hours';
  actor constant uuid := request ->> 'user_id';
begin
  delete from flarewatch.idempotency
  where idempotency.user_id = actor and idempotency.created_at < now() - replay_for;
  insert into flarewatch.idempotency (user_id, key, function, request_digest, response)
  values (
    actor,
    (request #>> '{idempotency,key}')::uuid,
    request #>> '{idempotency,function}',
    flarewatch.from_base64url(request #>> '{idempotency,request_digest}'),
    response
  );
end
$$;

-- As before, with the roles of the one table.
create or replace function privileged.store_credential(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  max_sites constant integer := 1000;
  answer jsonb := flarewatch.replay_or_wait(request);
begin
  if answer is not null then
    return answer;
  end if;
  perform flarewatch.require_act((request ->> 'tenant_id')::uuid, (request ->> 'user_id')::uuid, 'credential.store');
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
  perform flarewatch.keep_response(request, answer);
  return answer;
end
$$;

-- Who was asked to join. Of the token only its SHA-256: it has 256 bits of a key that is not in this database, so there is nothing to guess.
create table flarewatch.invitations (
  id uuid primary key,
  tenant_id uuid not null references flarewatch.tenants (id),
  email text not null check (email = lower(email) and char_length(email) between 3 and 254),
  role text not null check (role in ('owner', 'operator', 'viewer')),
  token_hash bytea not null unique check (octet_length(token_hash) = 32),
  invited_by uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  accepted_at timestamptz,
  accepted_by uuid,
  check (expires_at > created_at),
  check ((accepted_at is null) = (accepted_by is null))
);
-- A second invitation of the same address takes the place of the first.
create unique index invitations_pending_idx on flarewatch.invitations (tenant_id, email) where accepted_at is null;
alter table flarewatch.invitations enable row level security, force row level security;

-- Definer, since a policy may not ask the table of members about itself.
create function flarewatch.claim_may(act text) returns boolean
  language sql stable security definer set search_path = ''
return coalesce((
  select flarewatch.role_may(members.role, act) from flarewatch.members
  where members.tenant_id = flarewatch.claim_tenant() and members.user_id = flarewatch.claim_user()
), false);

grant select (id, tenant_id, email, role, created_at, expires_at, accepted_at) on flarewatch.invitations to flarewatch_gateway;
grant select (id, tenant_id, token_hash, expires_at, accepted_at) on flarewatch.invitations to flarewatch_vault;
create policy "whoever may invite sees the invitations of their tenant at AAL2" on flarewatch.invitations
  for select to flarewatch_gateway
  using (
    tenant_id = (select flarewatch.claim_tenant())
    and (select flarewatch.claim_may('member.invite'))
    and (select flarewatch.claim_is_aal2())
  );
create policy "a user without verified TOTP sees no invitation" on flarewatch.invitations
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the vault finds an invitation by its token's hash" on flarewatch.invitations
  for select to flarewatch_vault using (true);

-- Whoever is let in after an agency's deletion began would be a member of nothing that is left.
create function flarewatch.drop_invitations() returns trigger
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  delete from flarewatch.invitations where invitations.tenant_id = new.id;
  return null;
end
$$;
create trigger drop_invitations after update of state on flarewatch.tenants
  for each row when (new.state = 'deleting') execute function flarewatch.drop_invitations();

-- The bound tenant's people with their addresses, which are Auth's. Definer: no Worker reads auth.users.
create function flarewatch.people() returns table (user_id uuid, email text, role text, totp_enrolled boolean, created_at timestamptz)
  language plpgsql stable security definer set search_path = ''
as $$
#variable_conflict use_column
begin
  if not (flarewatch.is_member() and flarewatch.totp_enrolled() and flarewatch.claim_is_aal2()) then
    return;
  end if;
  return query
    select members.user_id, account.email::text, members.role, flarewatch.has_verified_totp(members.user_id), members.created_at
    from flarewatch.members left join auth.users as account on account.id = members.user_id
    where members.tenant_id = flarewatch.claim_tenant()
    order by members.created_at, members.user_id;
end
$$;

-- T2: the mail's row names the invitation. The notifier makes the link from that id and a key of its own; nothing here opens it.
create function privileged.invite_member(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  max_pending constant integer := 100;
  of_tenant constant uuid := request ->> 'tenant_id';
  invitation constant jsonb := request -> 'invitation';
  at constant timestamptz := request ->> 'at';
  answer jsonb := flarewatch.replay_or_wait(request);
begin
  if answer is not null then
    return answer;
  end if;
  perform flarewatch.require_act(of_tenant, (request ->> 'user_id')::uuid, 'member.invite');
  -- One invitation of a tenant after another, so that the bound holds.
  perform from flarewatch.tenants where tenants.id = of_tenant for no key update;
  delete from flarewatch.invitations
  where invitations.tenant_id = of_tenant and invitations.accepted_at is null
    and (invitations.email = invitation ->> 'email' or invitations.expires_at <= at);
  if (
    select count(*) from flarewatch.invitations
    where invitations.tenant_id = of_tenant and invitations.accepted_at is null
  ) >= max_pending then
    perform flarewatch.refuse_request('FW041', 'too_many_invitations');
  end if;
  insert into flarewatch.invitations (id, tenant_id, email, role, token_hash, invited_by, created_at, expires_at)
  values (
    (invitation ->> 'id')::uuid,
    of_tenant,
    invitation ->> 'email',
    invitation ->> 'role',
    flarewatch.from_base64url(invitation ->> 'token_hash'),
    (request ->> 'user_id')::uuid,
    at,
    (invitation ->> 'expires_at')::timestamptz
  )
  on conflict (id) do nothing;
  if not found then
    perform flarewatch.refuse_request('FW007', 'request_invalid');
  end if;
  answer := pg_catalog.jsonb_build_object('invitation', invitation - 'token_hash');
  insert into flarewatch.mail_outbox (tenant_id, user_id, kind, payload, due_at, next_try_at)
  values (of_tenant, null, 'invitation', (invitation - 'token_hash') - 'email', at, at);
  perform flarewatch.keep_response(request, answer);
  return answer;
end
$$;

-- The invitation that this user may accept. Expired, used, withdrawn, for another address, never made: one refusal.
create function flarewatch.open_invitation(request jsonb) returns flarewatch.invitations
  language plpgsql volatile security invoker set search_path = ''
as $$
declare
  found_one flarewatch.invitations;
begin
  select invitations.* into found_one
  from flarewatch.invitations
    join flarewatch.tenants on tenants.id = invitations.tenant_id and tenants.state = 'active'
    join auth.users as account on account.id = (request ->> 'user_id')::uuid
      and account.email_confirmed_at is not null and lower(account.email) = invitations.email
  where invitations.token_hash = flarewatch.from_base64url(request ->> 'token_hash')
    and invitations.accepted_at is null
    and invitations.expires_at > (request ->> 'at')::timestamptz
    and not exists (
      select from flarewatch.members
      where members.tenant_id = invitations.tenant_id and members.user_id = account.id
    )
  for update of invitations;
  if not found or not flarewatch.has_verified_totp((request ->> 'user_id')::uuid) then
    perform flarewatch.refuse_request('FW042', 'invitation_invalid');
  end if;
  return found_one;
end
$$;

-- Judged before the intent row is written, so that a refusal leaves none.
create function privileged.find_invitation(request jsonb) returns jsonb
  language sql volatile security definer set search_path = ''
return pg_catalog.jsonb_build_object('tenant_id', (flarewatch.open_invitation(request)).tenant_id);

create function privileged.accept_invitation(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  accepted constant flarewatch.invitations := flarewatch.open_invitation(request);
begin
  insert into flarewatch.members (tenant_id, user_id, role)
  values (accepted.tenant_id, (request ->> 'user_id')::uuid, accepted.role);
  update flarewatch.invitations
  set accepted_at = (request ->> 'at')::timestamptz, accepted_by = (request ->> 'user_id')::uuid
  where invitations.id = accepted.id;
  return (
    select pg_catalog.jsonb_build_object(
      'tenant', pg_catalog.jsonb_build_object('id', tenants.id, 'name', tenants.name), 'role', accepted.role
    )
    from flarewatch.tenants where tenants.id = accepted.tenant_id
  );
end
$$;

-- A role, or none any more. A tenant keeps an owner: without one nobody could invite another.
create function privileged.change_member(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  of_tenant constant uuid := request ->> 'tenant_id';
  person constant uuid := request ->> 'member_id';
  new_role constant text := request ->> 'role';
  held text;
  answer jsonb := flarewatch.replay_or_wait(request);
begin
  if answer is not null then
    return answer;
  end if;
  -- Two owners who remove each other at the same moment: the second waits, and is then no owner.
  perform from flarewatch.tenants where tenants.id = of_tenant for no key update;
  perform flarewatch.require_act(
    of_tenant, (request ->> 'user_id')::uuid, case when new_role is null then 'member.remove' else 'member.role' end
  );
  select members.role into held from flarewatch.members
  where members.tenant_id = of_tenant and members.user_id = person;
  if held is null then
    perform flarewatch.refuse_request('FW043', 'member_unknown');
  end if;
  if held = 'owner' and new_role is distinct from 'owner' and not exists (
    select from flarewatch.members
    where members.tenant_id = of_tenant and members.user_id <> person and members.role = 'owner'
  ) then
    perform flarewatch.refuse_request('FW044', 'last_owner');
  end if;
  if new_role is null then
    delete from flarewatch.members where members.tenant_id = of_tenant and members.user_id = person;
  else
    update flarewatch.members set role = new_role where members.tenant_id = of_tenant and members.user_id = person;
  end if;
  answer := pg_catalog.jsonb_build_object('member_id', person, 'role', new_role);
  perform flarewatch.keep_response(request, answer);
  return answer;
end
$$;

-- As before, and for an invitation the address that was invited, as long as it can still be accepted.
create or replace function flarewatch.claim_mail(at timestamptz, lease_seconds integer, batch integer)
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
      claimed.kind = 'incident' and claimed.user_id is null, coalesce(account.email::text, invitations.email)
    from claimed
      left join flarewatch.tenants on tenants.id = claimed.tenant_id
      left join flarewatch.members
        on members.tenant_id = claimed.tenant_id and members.user_id = claimed.user_id and members.role = 'owner'
      left join auth.users as account on account.id = members.user_id and account.email_confirmed_at is not null
      left join flarewatch.invitations
        on claimed.kind = 'invitation' and invitations.id = (claimed.payload ->> 'id')::uuid
        and invitations.tenant_id = claimed.tenant_id and invitations.accepted_at is null
        and invitations.expires_at > claim_mail.at
    order by claimed.kind <> 'incident', claimed.id;
end
$$;

revoke execute on function
  flarewatch.role_may(text, text),
  flarewatch.require_act(uuid, uuid, text),
  flarewatch.claim_may(text),
  flarewatch.drop_invitations(),
  flarewatch.people(),
  flarewatch.replay_or_wait(jsonb),
  flarewatch.keep_response(jsonb, jsonb),
  flarewatch.open_invitation(jsonb),
  privileged.invite_member(jsonb),
  privileged.find_invitation(jsonb),
  privileged.accept_invitation(jsonb),
  privileged.change_member(jsonb)
from public;
grant execute on function flarewatch.claim_may(text), flarewatch.people() to flarewatch_gateway;
grant execute on function
  privileged.invite_member(jsonb),
  privileged.find_invitation(jsonb),
  privileged.accept_invitation(jsonb),
  privileged.change_member(jsonb)
to service_role;
