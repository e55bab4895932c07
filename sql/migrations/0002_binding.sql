-- Who a transaction speaks for. A Worker binds it as the first statement of the transaction that runs its queries, and only for that
-- transaction: a pooled connection carries nothing on. Unbound means null, and null equals nothing in a policy.

create function flarewatch.bind_claims(claims jsonb) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
begin
  perform pg_catalog.set_config('flarewatch.claims', claims::text, true);
end
$$;

create function flarewatch.claim(name text) returns text
  language sql stable security invoker set search_path = ''
return nullif(pg_catalog.current_setting('flarewatch.claims', true), '')::jsonb ->> name;

create function flarewatch.claim_user() returns uuid
  language sql stable security invoker set search_path = ''
return flarewatch.claim('sub')::uuid;

create function flarewatch.claim_tenant() returns uuid
  language sql stable security invoker set search_path = ''
return flarewatch.claim('tenant_id')::uuid;

create function flarewatch.claim_is_aal2() returns boolean
  language sql stable security invoker set search_path = ''
return coalesce(flarewatch.claim('aal') = 'aal2', false);

create function flarewatch.bind_job(job_id uuid, at timestamptz) returns void
  language plpgsql volatile security invoker set search_path = ''
as $$
begin
  perform pg_catalog.set_config('flarewatch.job_id', job_id::text, true);
  perform pg_catalog.set_config('flarewatch.at', at::text, true);
end
$$;

create function flarewatch.bound_job_id() returns uuid
  language sql stable security invoker set search_path = ''
return nullif(pg_catalog.current_setting('flarewatch.job_id', true), '')::uuid;

create function flarewatch.bound_at() returns timestamptz
  language sql stable security invoker set search_path = ''
return nullif(pg_catalog.current_setting('flarewatch.at', true), '')::timestamptz;

revoke execute on all functions in schema flarewatch from public;
grant execute on function
  flarewatch.bind_claims(jsonb),
  flarewatch.claim(text),
  flarewatch.claim_user(),
  flarewatch.claim_tenant(),
  flarewatch.claim_is_aal2()
to flarewatch_gateway;
grant execute on function
  flarewatch.bind_job(uuid, timestamptz),
  flarewatch.bound_job_id(),
  flarewatch.bound_at()
to flarewatch_connector;
