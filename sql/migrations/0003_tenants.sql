-- Tenants and who belongs to them.
create table flarewatch.tenants (
  id uuid primary key,
  name text not null check (char_length(name) between 1 and 120),
  state text not null default 'pending' check (state in ('pending', 'active')),
  created_at timestamptz not null default now(),
  activated_at timestamptz,
  check ((state = 'active') = (activated_at is not null))
);

create table flarewatch.members (
  tenant_id uuid not null references flarewatch.tenants (id),
  user_id uuid not null,
  role text not null check (role in ('owner', 'admin', 'viewer')),
  created_at timestamptz not null default now(),
  primary key (tenant_id, user_id)
);
create index members_user_id_idx on flarewatch.members (user_id);

-- A1. Supabase Auth's own table is the only witness; the definer may read it, the Workers may not.
create function flarewatch.has_verified_totp(user_id uuid) returns boolean
  language sql stable security definer set search_path = ''
return exists (
  select from auth.mfa_factors as factor
  where factor.user_id = has_verified_totp.user_id
    and factor.factor_type = 'totp'
    and factor.status = 'verified'
);

create function flarewatch.totp_enrolled() returns boolean
  language sql stable security definer set search_path = ''
return flarewatch.has_verified_totp(flarewatch.claim_user());

-- Definer, since a policy on members that reads members would ask itself.
create function flarewatch.claimed_memberships() returns setof uuid
  language sql stable security definer set search_path = ''
begin atomic
  select members.tenant_id from flarewatch.members where members.user_id = flarewatch.claim_user();
end;

create function flarewatch.is_member() returns boolean
  language sql stable security definer set search_path = ''
return exists (
  select from flarewatch.members
  where members.tenant_id = flarewatch.claim_tenant() and members.user_id = flarewatch.claim_user()
);

revoke execute on function
  flarewatch.has_verified_totp(uuid),
  flarewatch.totp_enrolled(),
  flarewatch.claimed_memberships(),
  flarewatch.is_member()
from public;
grant execute on function flarewatch.totp_enrolled(), flarewatch.claimed_memberships(), flarewatch.is_member()
to flarewatch_gateway;

alter table flarewatch.tenants enable row level security, force row level security;
alter table flarewatch.members enable row level security, force row level security;

grant select on flarewatch.tenants, flarewatch.members to flarewatch_gateway;
grant select (id, state) on flarewatch.tenants to flarewatch_vault;
grant select (tenant_id, user_id, role) on flarewatch.members to flarewatch_vault;
grant select (id, state, created_at) on flarewatch.tenants to flarewatch_verifier;

create policy "a user sees the tenants they are a member of" on flarewatch.tenants
  for select to flarewatch_gateway
  using (id in (select flarewatch.claimed_memberships()));
create policy "a user without verified TOTP sees no tenant" on flarewatch.tenants
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the vault sees whether a tenant is active" on flarewatch.tenants
  for select to flarewatch_vault using (true);
create policy "the verifier sees which tenants there are" on flarewatch.tenants
  for select to flarewatch_verifier using (true);

create policy "a user sees their own memberships, and at AAL2 the members of their tenant" on flarewatch.members
  for select to flarewatch_gateway
  using (
    user_id = (select flarewatch.claim_user())
    or (
      tenant_id = (select flarewatch.claim_tenant())
      and (select flarewatch.is_member())
      and (select flarewatch.claim_is_aal2())
    )
  );
create policy "a user without verified TOTP sees no member" on flarewatch.members
  as restrictive for select to flarewatch_gateway
  using ((select flarewatch.totp_enrolled()));
create policy "the vault sees every member's role" on flarewatch.members
  for select to flarewatch_vault using (true);
