-- A key that reaches many sites is polled as often as half of its quota allows: else each of its runs would end throttled, and its history never be read.

-- Held against `secondsPerSite` of the domain's providers.
create function flarewatch.site_seconds(provider text) returns integer
  language sql immutable security invoker set search_path = ''
return case provider when 'cloudflare' then 5 when 'supabase' then 5 else 0 end;

create or replace function flarewatch.next_poll(tenant_id uuid, credential_id uuid, at timestamptz) returns timestamptz
  language sql stable security definer set search_path = ''
begin atomic
  select
    next_poll.at + pg_catalog.make_interval(secs => ceil(spaced.seconds * (1 - jitter.share / 10)))
  from flarewatch.tenants
    cross join lateral (
      select greatest(flarewatch.poll_seconds(tenants.tier), coalesce(sum(flarewatch.site_seconds(sites.provider)), 0)) as seconds
      from flarewatch.sites
      where
        sites.tenant_id = next_poll.tenant_id
        and sites.credential_id = next_poll.credential_id
        and sites.removed_at is null
    ) as spaced
    cross join lateral (
      select
        (
          pg_catalog.hashtextextended(
            next_poll.credential_id::text, extract(epoch from next_poll.at)::bigint
          ) & 1023
        )::double precision / 1024 as share
    ) as jitter
  where tenants.id = next_poll.tenant_id;
end;

revoke execute on function flarewatch.site_seconds(text) from public;
