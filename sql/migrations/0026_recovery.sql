-- Recovery codes: what buys a person without their second factor a new enrolment, and nothing else.
set local lock_timeout = '5s';

-- SHA-256 of 100 random bits and their user: nothing that could be guessed, so one round is enough.
create table flarewatch.recovery_codes (
  user_id uuid not null,
  code_hash bytea not null check (octet_length(code_hash) = 32),
  created_at timestamptz not null,
  used_at timestamptz check (used_at >= created_at),
  primary key (user_id, code_hash)
);
alter table flarewatch.recovery_codes enable row level security, force row level security;
grant select (user_id, code_hash, used_at) on flarewatch.recovery_codes to flarewatch_vault;
create policy "the vault finds a recovery code that stands by its hash" on flarewatch.recovery_codes
  for select to flarewatch_vault using (used_at is null);

-- Tries of a person in an hour, whether or not they have codes.
create table flarewatch.recovery_attempts (
  user_id uuid primary key,
  began_at timestamptz not null,
  attempts integer not null check (attempts > 0)
);
alter table flarewatch.recovery_attempts enable row level security, force row level security;
create policy "tries are counted by the privileged functions alone" on flarewatch.recovery_attempts
  as restrictive for all to public using (false) with check (false);

-- Ten new ones in the place of all that were.
create function privileged.replace_recovery_codes(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  codes constant integer := 10;
  person constant uuid := request ->> 'user_id';
begin
  if pg_catalog.jsonb_array_length(request -> 'code_hashes') <> codes then
    perform flarewatch.refuse_request('FW007', 'request_invalid');
  end if;
  if not flarewatch.has_verified_totp(person) then
    perform flarewatch.refuse_request('FW061', 'aal2_required');
  end if;
  -- Two at once would each leave ten.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('recovery_codes', pg_catalog.hashtextextended(person::text, 0)));
  delete from flarewatch.recovery_codes where recovery_codes.user_id = person;
  insert into flarewatch.recovery_codes (user_id, code_hash, created_at)
  select person, flarewatch.from_base64url(given.code_hash), (request ->> 'at')::timestamptz
  from pg_catalog.jsonb_array_elements_text(request -> 'code_hashes') as given (code_hash);
  return pg_catalog.jsonb_build_object('left', codes);
end
$$;

create function privileged.recovery_codes_left(request jsonb) returns jsonb
  language sql volatile security definer set search_path = ''
return (
  select pg_catalog.jsonb_build_object('left', count(*))
  from flarewatch.recovery_codes
  where recovery_codes.user_id = (request ->> 'user_id')::uuid and recovery_codes.used_at is null
);

-- Counts a try and says what the code is worth. It answers and does not raise: an exception would take the count back.
create function privileged.try_recovery_code(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  max_attempts constant integer := 10;
  per constant interval := '1 hour';
  person constant uuid := request ->> 'user_id';
  at constant timestamptz := request ->> 'at';
  made integer;
begin
  insert into flarewatch.recovery_attempts as known (user_id, began_at, attempts)
  values (person, at, 1)
  on conflict (user_id) do update set
    attempts = case when known.began_at <= at - per then 1 else least(known.attempts, max_attempts) + 1 end,
    began_at = case when known.began_at <= at - per then at else known.began_at end
  returning known.attempts into made;
  return pg_catalog.jsonb_build_object('state', case
    when made > max_attempts then 'too_many'
    when exists (
      select from flarewatch.recovery_codes
      where recovery_codes.user_id = person and recovery_codes.used_at is null
        and recovery_codes.code_hash = flarewatch.from_base64url(request ->> 'code_hash')
    ) then 'stands'
    else 'invalid'
  end);
end
$$;

-- One statement: of two who present the same code at the same moment, the second waits and finds it used.
create function privileged.use_recovery_code(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  update flarewatch.recovery_codes set used_at = greatest((request ->> 'at')::timestamptz, recovery_codes.created_at)
  where recovery_codes.user_id = (request ->> 'user_id')::uuid and recovery_codes.used_at is null
    and recovery_codes.code_hash = flarewatch.from_base64url(request ->> 'code_hash');
  if not found then
    perform flarewatch.refuse_request('FW062', 'recovery_code_invalid');
  end if;
  return privileged.recovery_codes_left(request);
end
$$;

revoke execute on function
  privileged.replace_recovery_codes(jsonb),
  privileged.recovery_codes_left(jsonb),
  privileged.try_recovery_code(jsonb),
  privileged.use_recovery_code(jsonb)
from public;
grant execute on function
  privileged.replace_recovery_codes(jsonb),
  privileged.recovery_codes_left(jsonb),
  privileged.try_recovery_code(jsonb),
  privileged.use_recovery_code(jsonb)
to service_role;
