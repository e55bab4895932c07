-- Sessions: how long one lasts, who ended it, and how fast somebody may guess. Supabase Auth keeps the sessions themselves.
set local lock_timeout = '5s';

-- When a session was last used at a door of ours, to the minute. Auth knows when it was renewed, which a forgotten tab does too.
create table flarewatch.session_uses (
  session_id uuid primary key,
  user_id uuid not null,
  used_at timestamptz not null
);
create index session_uses_used_at_idx on flarewatch.session_uses (used_at);
alter table flarewatch.session_uses enable row level security, force row level security;
create policy "uses of a session are noted by its judges alone" on flarewatch.session_uses
  as restrictive for all to public using (false) with check (false);

-- The one judgement of a session: 'live', 'ended' (Auth does not know it, or not as this person's), or 'expired'. An instant
-- that is missing proves nothing, so that every comparison must hold, and null is no. plpgsql, since on the embedded stack Auth
-- makes its tables after these migrations.
create function flarewatch.judge_session(user_id uuid, session_id uuid, at timestamptz)
returns table (state text, use_due boolean)
  language plpgsql stable security definer set search_path = ''
as $$
declare
  max_age constant interval := '24 hours';
  max_idle constant interval := '1 hour';
  noted_every constant interval := '1 minute';
  held record;
begin
  select sessions.created_at, sessions.not_after, session_uses.used_at into held
  from auth.sessions left join flarewatch.session_uses on session_uses.session_id = sessions.id
  where sessions.id = judge_session.session_id and sessions.user_id = judge_session.user_id;
  if not found then
    return query select 'ended', false;
  elsif at < least(held.created_at + max_age, held.not_after) and held.created_at is not null
    and at < greatest(held.created_at, held.used_at) + max_idle then
    return query select 'live', held.used_at is null or at >= held.used_at + noted_every;
  else
    return query select 'expired', false;
  end if;
end
$$;

-- Judges, and notes the use of a session that is live.
create function flarewatch.use_session(user_id uuid, session_id uuid, at timestamptz) returns text
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  max_age constant interval := '24 hours';
  judged record;
begin
  select session.state, session.use_due into judged
  from flarewatch.judge_session(use_session.user_id, use_session.session_id, use_session.at) as session;
  if judged.use_due then
    delete from flarewatch.session_uses where session_uses.used_at < use_session.at - max_age;
    insert into flarewatch.session_uses as known (session_id, user_id, used_at)
    values (use_session.session_id, use_session.user_id, use_session.at)
    on conflict on constraint session_uses_pkey do update set used_at = greatest(known.used_at, excluded.used_at);
  end if;
  return judged.state;
end
$$;

-- Of the session that is bound, at the instant that is bound with it.
create function flarewatch.claim_session() returns table (state text, use_due boolean)
  language sql stable security definer set search_path = ''
begin atomic
  select session.state, session.use_due
  from flarewatch.judge_session(
    flarewatch.claim_user(), flarewatch.claim('session_id')::uuid, flarewatch.claim('at')::timestamptz
  ) as session;
end;

-- What every policy asks of whoever is bound: a second factor, and now also a session that is live.
create or replace function flarewatch.totp_enrolled() returns boolean
  language sql stable security definer set search_path = ''
return flarewatch.has_verified_totp(flarewatch.claim_user())
  and (select session.state = 'live' from flarewatch.claim_session() as session);

-- The bound person's own sessions that are live.
create function flarewatch.own_sessions()
returns table (id uuid, begun_at timestamptz, used_at timestamptz, user_agent text, ip text, aal text)
  language plpgsql stable security definer set search_path = ''
as $$
#variable_conflict use_column
begin
  if not flarewatch.totp_enrolled() then
    return;
  end if;
  return query
    select sessions.id, sessions.created_at, greatest(sessions.created_at, session_uses.used_at),
      -- The client's own word.
      left(sessions.user_agent, 512), pg_catalog.host(sessions.ip), coalesce(sessions.aal::text, 'aal1')
    from auth.sessions
      left join flarewatch.session_uses on session_uses.session_id = sessions.id
      cross join lateral flarewatch.judge_session(
        sessions.user_id, sessions.id, flarewatch.claim('at')::timestamptz
      ) as judged
    where sessions.user_id = flarewatch.claim_user() and judged.state = 'live';
end
$$;

-- Ends one session of a person (only_id), all but one (except_id), or all. Their refresh tokens go with them.
create function flarewatch.end_sessions(user_id uuid, only_id uuid, except_id uuid) returns bigint
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  ended bigint;
begin
  delete from auth.sessions
  where sessions.user_id = end_sessions.user_id
    and (only_id is null or sessions.id = only_id)
    and (except_id is null or sessions.id <> except_id);
  get diagnostics ended = row_count;
  return ended;
end
$$;

-- For the privileged functions that are called before the vault has judged the session.
create function flarewatch.require_session(request jsonb) returns void
  language plpgsql stable security invoker set search_path = ''
as $$
declare
  state text;
begin
  select session.state into state
  from flarewatch.judge_session(
    (request ->> 'user_id')::uuid, (request ->> 'session_id')::uuid, (request ->> 'at')::timestamptz
  ) as session;
  if state = 'ended' then
    perform flarewatch.refuse_request('FW081', 'session_ended');
  elsif state <> 'live' then
    perform flarewatch.refuse_request('FW082', 'session_expired');
  end if;
end
$$;

-- As before, each for a session that is live.
create or replace function privileged.idempotent_response(request jsonb) returns jsonb
  language plpgsql stable security definer set search_path = ''
as $$
begin
  perform flarewatch.require_session(request);
  return flarewatch.replay(request);
end
$$;

create or replace function privileged.find_invitation(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform flarewatch.require_session(request);
  return pg_catalog.jsonb_build_object('tenant_id', (flarewatch.open_invitation(request)).tenant_id);
end
$$;

create function flarewatch.recovery_codes_left(user_id uuid) returns jsonb
  language sql stable security invoker set search_path = ''
return (
  select pg_catalog.jsonb_build_object('left', count(*))
  from flarewatch.recovery_codes
  where recovery_codes.user_id = recovery_codes_left.user_id and recovery_codes.used_at is null
);

create or replace function privileged.recovery_codes_left(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform flarewatch.require_session(request);
  return flarewatch.recovery_codes_left((request ->> 'user_id')::uuid);
end
$$;

-- Counts a try and says what the code is worth. It answers and does not raise: an exception would take the count back.
create or replace function privileged.try_recovery_code(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  max_attempts constant integer := 10;
  per constant interval := '1 hour';
  person constant uuid := request ->> 'user_id';
  at constant timestamptz := request ->> 'at';
  made integer;
begin
  perform flarewatch.require_session(request);
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
create or replace function privileged.use_recovery_code(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  update flarewatch.recovery_codes set used_at = greatest((request ->> 'at')::timestamptz, recovery_codes.created_at)
  where recovery_codes.user_id = (request ->> 'user_id')::uuid and recovery_codes.used_at is null
    and recovery_codes.code_hash = flarewatch.from_base64url(request ->> 'code_hash');
  if not found then
    perform flarewatch.refuse_request('FW062', 'recovery_code_invalid');
  end if;
  return flarewatch.recovery_codes_left((request ->> 'user_id')::uuid);
end
$$;

-- A cancel names its statement and is a person's; without one it is the function that clears up after itself.
create or replace function privileged.end_console(request jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  asked constant uuid := request ->> 'tenant_id';
begin
  if request ? 'statement_id' then
    perform flarewatch.require_session(request);
  end if;
  perform flarewatch.require_act(asked, (request ->> 'user_id')::uuid, 'console.query');
  return pg_catalog.jsonb_build_object(
    'ended',
    (
      select flarewatch.end_console_sessions(
        tenants.console_login,
        case when request ? 'statement_id' then interval '0' else interval '11 seconds' end,
        request ->> 'statement_id'
      )
      from flarewatch.tenants where tenants.id = asked
    )
  );
end
$$;

-- Wrong passwords and wrong codes in a row, by person: what is counted outlives the session that was guessed in.
create table flarewatch.failed_attempts (
  user_id uuid not null,
  factor text not null check (factor in ('password', 'mfa')),
  failed integer not null check (failed >= 0),
  last_at timestamptz not null,
  free_at timestamptz not null check (free_at >= last_at),
  primary key (user_id, factor)
);
alter table flarewatch.failed_attempts enable row level security, force row level security;
create policy "failed attempts are counted by Auth's hooks alone" on flarewatch.failed_attempts
  as restrictive for all to public using (false) with check (false);

-- Whether Auth asks at all: on a hosted project its configuration is out of SQL's sight.
create table flarewatch.hook_calls (
  hook text primary key check (hook in ('password', 'mfa')),
  called_at timestamptz not null
);
alter table flarewatch.hook_calls enable row level security, force row level security;
create policy "calls are noted by Auth's hooks alone" on flarewatch.hook_calls
  as restrictive for all to public using (false) with check (false);

-- Whether an attempt may count. The row's lock makes attempts at the same moment wait for each other; one that comes too early
-- is refused whether or not it is right, and moves nothing.
create function flarewatch.admit_attempt(user_id uuid, factor text, valid boolean, at timestamptz) returns boolean
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  undelayed constant integer := 3;
  first_delay constant interval := '1 second';
  longest_delay constant interval := '15 minutes';
  forgotten_after constant interval := '24 hours';
  held flarewatch.failed_attempts;
  made integer := 0;
begin
  insert into flarewatch.failed_attempts as known (user_id, factor, failed, last_at, free_at)
  values (admit_attempt.user_id, admit_attempt.factor, 0, at, at)
  on conflict on constraint failed_attempts_pkey do update set failed = known.failed
  returning known.* into held;
  if at < held.free_at then
    return false;
  end if;
  if not valid then
    made := case when held.last_at <= at - forgotten_after then 1 else held.failed + 1 end;
  end if;
  update flarewatch.failed_attempts as known set
    failed = made,
    last_at = at,
    free_at = case
      when made <= undelayed then at
      -- Beyond 2^10 seconds the longest is reached.
      else at + least(first_delay * pg_catalog.power(2, least(made - undelayed - 1, 10)), longest_delay)
    end
  where known.user_id = admit_attempt.user_id and known.factor = admit_attempt.factor;
  return true;
end
$$;

create function flarewatch.note_hook(hook text) returns void
  language sql volatile security definer set search_path = ''
begin atomic
  insert into flarewatch.hook_calls as known (hook, called_at) values (note_hook.hook, now())
  on conflict (hook) do update set called_at = excluded.called_at
    where known.called_at < excluded.called_at - interval '1 minute';
end;

-- When Auth last asked, by factor; null as long as it never has.
create function flarewatch.hooks_seen() returns table (password_at timestamptz, mfa_at timestamptz)
  language sql stable security definer set search_path = ''
begin atomic
  select
    (select hook_calls.called_at from flarewatch.hook_calls where hook_calls.hook = 'password'),
    (select hook_calls.called_at from flarewatch.hook_calls where hook_calls.hook = 'mfa');
end;

-- Supabase Auth's hooks, in a schema that holds nothing else. Auth is the only one who may call them.
create schema auth_hooks;
grant usage on schema auth_hooks to supabase_auth_admin;

-- A refusal reads as a wrong password does: it doesn't tell that there is an account.
create function auth_hooks.password_verification_attempt(event jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform flarewatch.note_hook('password');
  if flarewatch.admit_attempt((event ->> 'user_id')::uuid, 'password', coalesce((event ->> 'valid')::boolean, false), now()) then
    return '{"decision": "continue"}';
  end if;
  return '{"decision": "reject", "message": "Invalid login credentials", "should_logout_user": false}';
end
$$;

-- A person's factors are counted together, so that a second one buys no further guesses.
create function auth_hooks.mfa_verification_attempt(event jsonb) returns jsonb
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform flarewatch.note_hook('mfa');
  if flarewatch.admit_attempt((event ->> 'user_id')::uuid, 'mfa', coalesce((event ->> 'valid')::boolean, false), now()) then
    return '{"decision": "continue"}';
  end if;
  return '{"decision": "reject", "message": "Too many wrong codes. Wait up to 15 minutes, then sign in again."}';
end
$$;

revoke execute on function
  flarewatch.judge_session(uuid, uuid, timestamptz),
  flarewatch.use_session(uuid, uuid, timestamptz),
  flarewatch.claim_session(),
  flarewatch.own_sessions(),
  flarewatch.end_sessions(uuid, uuid, uuid),
  flarewatch.require_session(jsonb),
  flarewatch.recovery_codes_left(uuid),
  flarewatch.admit_attempt(uuid, text, boolean, timestamptz),
  flarewatch.note_hook(text),
  flarewatch.hooks_seen(),
  auth_hooks.password_verification_attempt(jsonb),
  auth_hooks.mfa_verification_attempt(jsonb)
from public;
grant execute on function
  flarewatch.use_session(uuid, uuid, timestamptz),
  flarewatch.claim_session(),
  flarewatch.own_sessions(),
  flarewatch.hooks_seen()
to flarewatch_gateway;
grant execute on function
  flarewatch.judge_session(uuid, uuid, timestamptz),
  flarewatch.use_session(uuid, uuid, timestamptz),
  flarewatch.end_sessions(uuid, uuid, uuid)
to flarewatch_vault;
grant execute on function
  auth_hooks.password_verification_attempt(jsonb),
  auth_hooks.mfa_verification_attempt(jsonb)
to supabase_auth_admin;
