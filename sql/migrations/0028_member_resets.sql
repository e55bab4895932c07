-- pgls-ignore-all lint/safety/runningStatementWhileHoldingAccessExclusive: no statement here waits for another's rows
-- Loss of both factors: an owner asks for a member's reset, which 24 hours later that member can finish. And invitations that are
-- taken back.
set local lock_timeout = '5s';

-- As before, and the two that take power back.
create or replace function flarewatch.role_may(role text, act text) returns boolean
  language sql immutable strict parallel safe security invoker set search_path = ''
return (role, act) in (
  ('owner', 'credential.store'),
  ('operator', 'credential.store'),
  ('owner', 'credential.rotate'),
  ('operator', 'credential.rotate'),
  ('owner', 'credential.delete'),
  ('owner', 'credential.reveal'),
  ('owner', 'member.invite'),
  ('owner', 'invitation.withdraw'),
  ('owner', 'member.role'),
  ('owner', 'member.remove'),
  ('owner', 'member.reset'),
  ('owner', 'member_reset.cancel'),
  ('owner', 'operator_key.enrol'),
  ('owner', 'provider.purge_cache'),
  ('operator', 'provider.purge_cache'),
  ('owner', 'console.query'),
  ('operator', 'console.query')
);

-- Open requests alone: what became of each is in the audit log. The two foreign keys end one with either membership.
create table flarewatch.member_resets (
  -- One request a person, whichever of their agencies asked: the factor is the account's.
  user_id uuid primary key,
  tenant_id uuid not null,
  requested_by uuid not null check (requested_by <> user_id),
  requested_at timestamptz not null,
  due_at timestamptz not null check (due_at > requested_at),
  -- Forgotten, it would leave an account that a password opens.
  expires_at timestamptz not null check (expires_at > due_at),
  -- One call has the removal at Auth to itself until then; whoever comes after a failure tries again.
  finishing_until timestamptz,
  foreign key (tenant_id, user_id) references flarewatch.members (tenant_id, user_id) on delete cascade,
  foreign key (tenant_id, requested_by) references flarewatch.members (tenant_id, user_id) on delete cascade
);
create index member_resets_member_idx on flarewatch.member_resets (tenant_id, user_id);
create index member_resets_requester_idx on flarewatch.member_resets (tenant_id, requested_by);
alter table flarewatch.member_resets enable row level security, force row level security;
grant select (user_id, due_at, expires_at) on flarewatch.member_resets to flarewatch_vault;
create policy "the vault finds the open reset of who asks" on flarewatch.member_resets
  for select to flarewatch_vault using (true);

-- Whoever is no owner any more has no request standing, also not when they become one again.
create function flarewatch.drop_requested_resets() returns trigger
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  delete from flarewatch.member_resets
  where member_resets.tenant_id = new.tenant_id and member_resets.requested_by = new.user_id;
  return null;
end
$$;
create trigger drop_requested_resets after update of role on flarewatch.members
  for each row when (old.role = 'owner' and new.role <> 'owner') execute function flarewatch.drop_requested_resets();

-- Auth keeps a challenge for a day and a claim as long as its session. Definer: no Worker reads Auth's tables.
create function flarewatch.totp_used_since(person uuid, since timestamptz) returns boolean
  language plpgsql stable security definer set search_path = ''
as $$
begin
  return exists (
    select from auth.sessions join auth.mfa_amr_claims as claim on claim.session_id = sessions.id
    where sessions.user_id = person and claim.authentication_method = 'totp' and claim.updated_at > since
  ) or exists (
    select from auth.mfa_factors as factor left join auth.mfa_challenges as challenge on challenge.factor_id = factor.id
    where factor.user_id = person and factor.factor_type = 'totp' and factor.status = 'verified'
      and (factor.created_at > since or challenge.verified_at > since)
  );
end
$$;

-- Who shows their second factor has not lost it: their request is dead, as is one that expired or whose agency is being deleted.
create function flarewatch.reset_stands(reset flarewatch.member_resets, at timestamptz) returns boolean
  language sql stable security invoker set search_path = ''
return exists (
  select from flarewatch.tenants where tenants.id = (reset).tenant_id and tenants.state = 'active'
) and (reset).expires_at > reset_stands.at and not flarewatch.totp_used_since((reset).user_id, (reset).requested_at);

-- To the person, and to every owner of every agency that they belong to, for it is one account in all of them. Another agency's owners
-- are not told which agency asked.
create function flarewatch.mail_member_reset(reset flarewatch.member_resets) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
begin
  insert into flarewatch.mail_outbox (tenant_id, user_id, kind, payload, due_at, next_try_at)
  select told.tenant_id, told.user_id, 'member_reset',
    pg_catalog.jsonb_build_object(
      'member_id', (reset).user_id,
      'to', told.recipient,
      'due_at', pg_catalog.to_char((reset).due_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    ),
    (reset).requested_at,
    (reset).requested_at
  from (
    select (reset).tenant_id as tenant_id, (reset).user_id as user_id, 'member' as recipient
    union all
    select owners.tenant_id, owners.user_id,
      case when owners.tenant_id = (reset).tenant_id then 'owner' else 'other_owner' end
    from flarewatch.members as theirs
      join flarewatch.tenants on tenants.id = theirs.tenant_id and tenants.state = 'active'
      join flarewatch.members as owners on owners.tenant_id = theirs.tenant_id and owners.role = 'owner'
    where theirs.user_id = (reset).user_id and owners.user_id <> (reset).user_id
  ) as told;
end
$$;

-- FW081 to FW085. A person of another agency is unknown like one that never was.
create function privileged.request_member_reset(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  delay constant interval := '24 hours';
  finishable constant interval := '7 days';
  of_tenant constant uuid := request ->> 'tenant_id';
  asker constant uuid := request ->> 'user_id';
  person constant uuid := request ->> 'member_id';
  at constant timestamptz := request ->> 'at';
  opened flarewatch.member_resets;
  answer jsonb := flarewatch.replay_or_wait(request);
begin
  if answer is not null then
    return answer;
  end if;
  -- As a change of membership does: whoever is demoted at this moment asks before it or not at all.
  perform from flarewatch.tenants where tenants.id = of_tenant for no key update;
  perform flarewatch.require_act(of_tenant, asker, 'member.reset');
  if person = asker then
    perform flarewatch.refuse_request('FW081', 'reset_of_oneself');
  end if;
  if not exists (select from flarewatch.members where members.tenant_id = of_tenant and members.user_id = person) then
    perform flarewatch.refuse_request('FW043', 'member_unknown');
  end if;
  if not flarewatch.has_verified_totp(person) then
    perform flarewatch.refuse_request('FW082', 'reset_not_needed');
  end if;
  insert into flarewatch.member_resets as standing (user_id, tenant_id, requested_by, requested_at, due_at, expires_at)
  values (person, of_tenant, asker, at, at + delay, at + delay + finishable)
  on conflict (user_id) do update set
    tenant_id = excluded.tenant_id,
    requested_by = excluded.requested_by,
    requested_at = excluded.requested_at,
    due_at = excluded.due_at,
    expires_at = excluded.expires_at,
    finishing_until = null
  where not flarewatch.reset_stands(standing, at)
  returning standing.* into opened;
  if not found then
    perform flarewatch.refuse_request('FW083', 'member_reset_open');
  end if;
  perform flarewatch.mail_member_reset(opened);
  answer := pg_catalog.jsonb_build_object('reset', pg_catalog.jsonb_build_object(
    'member_id', person, 'requested_at', opened.requested_at, 'due_at', opened.due_at
  ));
  perform flarewatch.keep_response(request, answer);
  return answer;
end
$$;

-- By an owner of any agency that the person belongs to.
create function privileged.cancel_member_reset(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  of_tenant constant uuid := request ->> 'tenant_id';
  person constant uuid := request ->> 'member_id';
begin
  perform flarewatch.require_act(of_tenant, (request ->> 'user_id')::uuid, 'member_reset.cancel');
  delete from flarewatch.member_resets
  where member_resets.user_id = person
    and exists (select from flarewatch.members where members.tenant_id = of_tenant and members.user_id = person);
  if not found then
    perform flarewatch.refuse_request('FW084', 'member_reset_unknown');
  end if;
  return pg_catalog.jsonb_build_object('cancelled', true);
end
$$;

-- What a person is told of their own, if there is one that stands.
create function privileged.own_member_reset(request jsonb) returns jsonb
  language sql stable security definer set search_path = ''
return pg_catalog.jsonb_build_object('reset', (
  select pg_catalog.jsonb_build_object(
    'tenant_name', tenants.name, 'requested_at', resets.requested_at, 'due_at', resets.due_at,
    'expires_at', resets.expires_at
  )
  from flarewatch.member_resets as resets join flarewatch.tenants on tenants.id = resets.tenant_id
  where resets.user_id = (request ->> 'user_id')::uuid
    and flarewatch.reset_stands(resets, (request ->> 'at')::timestamptz)
));

-- The person cancels it, or has finished it.
create function privileged.close_member_reset(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  delete from flarewatch.member_resets where member_resets.user_id = (request ->> 'user_id')::uuid;
  return pg_catalog.jsonb_build_object('closed', found);
end
$$;

-- Lets one call at a time remove the factor. It answers and does not raise, so that a dead request is gone and not asked about again.
create function privileged.start_reset_finish(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  lease constant interval := '5 minutes';
  person constant uuid := request ->> 'user_id';
  at constant timestamptz := request ->> 'at';
  standing flarewatch.member_resets;
begin
  select member_resets.* into standing from flarewatch.member_resets where member_resets.user_id = person for update;
  if not found then
    return pg_catalog.jsonb_build_object('state', 'unknown');
  end if;
  if not flarewatch.reset_stands(standing, at) then
    delete from flarewatch.member_resets where member_resets.user_id = person;
    return pg_catalog.jsonb_build_object('state', 'unknown');
  end if;
  if standing.due_at > at then
    return pg_catalog.jsonb_build_object('state', 'not_due');
  end if;
  if standing.finishing_until > at then
    return pg_catalog.jsonb_build_object('state', 'running');
  end if;
  update flarewatch.member_resets set finishing_until = at + lease where member_resets.user_id = person;
  return pg_catalog.jsonb_build_object('state', 'started');
end
$$;

-- Also those that another agency asked for, without which: they are about the bound tenant's member. Definer, as `people` is.
create function flarewatch.open_resets(at timestamptz)
returns table (user_id uuid, requested_at timestamptz, due_at timestamptz, expires_at timestamptz)
  language plpgsql stable security definer set search_path = ''
as $$
#variable_conflict use_column
begin
  if not (flarewatch.claim_may('member.reset') and flarewatch.totp_enrolled() and flarewatch.claim_is_aal2()) then
    return;
  end if;
  return query
    select resets.user_id, resets.requested_at, resets.due_at, resets.expires_at
    from flarewatch.member_resets as resets
      join flarewatch.members on members.user_id = resets.user_id and members.tenant_id = flarewatch.claim_tenant()
    where flarewatch.reset_stands(resets, open_resets.at)
    order by resets.due_at, resets.user_id;
end
$$;

-- An accepted one is a member, who is removed and not withdrawn. Its mail, if it waits still, finds no address.
create function privileged.withdraw_invitation(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  of_tenant constant uuid := request ->> 'tenant_id';
  invitation constant uuid := request ->> 'invitation_id';
begin
  perform flarewatch.require_act(of_tenant, (request ->> 'user_id')::uuid, 'invitation.withdraw');
  delete from flarewatch.invitations
  where invitations.tenant_id = of_tenant and invitations.id = invitation and invitations.accepted_at is null;
  if not found then
    perform flarewatch.refuse_request('FW085', 'invitation_unknown');
  end if;
  return pg_catalog.jsonb_build_object('invitation_id', invitation);
end
$$;

-- As before, and for a reset the address of its person, who may be no owner.
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
        on members.tenant_id = claimed.tenant_id and members.user_id = claimed.user_id
        and (members.role = 'owner' or (claimed.kind = 'member_reset' and claimed.payload ->> 'to' = 'member'))
      left join auth.users as account on account.id = members.user_id and account.email_confirmed_at is not null
      left join flarewatch.invitations
        on claimed.kind = 'invitation' and invitations.id = (claimed.payload ->> 'id')::uuid
        and invitations.tenant_id = claimed.tenant_id and invitations.accepted_at is null
        and invitations.expires_at > claim_mail.at
    order by claimed.kind <> 'incident', claimed.id;
end
$$;

revoke execute on function
  flarewatch.drop_requested_resets(),
  flarewatch.totp_used_since(uuid, timestamptz),
  flarewatch.reset_stands(flarewatch.member_resets, timestamptz),
  flarewatch.mail_member_reset(flarewatch.member_resets),
  flarewatch.open_resets(timestamptz),
  privileged.request_member_reset(jsonb),
  privileged.cancel_member_reset(jsonb),
  privileged.own_member_reset(jsonb),
  privileged.close_member_reset(jsonb),
  privileged.start_reset_finish(jsonb),
  privileged.withdraw_invitation(jsonb)
from public;
grant execute on function flarewatch.open_resets(timestamptz) to flarewatch_gateway;
grant execute on function
  privileged.request_member_reset(jsonb),
  privileged.cancel_member_reset(jsonb),
  privileged.own_member_reset(jsonb),
  privileged.close_member_reset(jsonb),
  privileged.start_reset_finish(jsonb),
  privileged.withdraw_invitation(jsonb)
to service_role;
