-- More providers than one, and money among the figures (ADR 0022).

set local lock_timeout = '5s';

-- One statement: the tables are held together or not at all.
do $$
begin
  alter table flarewatch.credentials
    drop constraint credentials_provider_check,
    add constraint credentials_provider_check check (provider in ('cloudflare', 'stripe', 'resend', 'supabase'));
  alter table flarewatch.sites
    drop constraint sites_provider_check,
    add constraint sites_provider_check check (provider in ('cloudflare', 'stripe', 'resend', 'supabase'));

  -- `minor` is an amount in its currency's smallest unit. A site has one metric in several currencies, so the currency is part of the key;
  -- XXX is ISO 4217's own code for what has none.
  alter table flarewatch.facts_hourly
    add column currency text not null default 'XXX' check (currency ~ '^[A-Z]{3}$'),
    drop constraint facts_hourly_pkey,
    drop constraint facts_hourly_provider_check,
    drop constraint facts_hourly_unit_check,
    add primary key (site_id, metric, window_start, currency),
    add constraint facts_hourly_provider_check check (provider in ('cloudflare', 'stripe', 'resend', 'supabase')),
    add constraint facts_hourly_unit_check check (unit in ('count', 'bytes', 'minor')),
    add constraint facts_hourly_money_check check ((unit = 'minor') = (currency <> 'XXX'));
  alter table flarewatch.facts_daily
    add column currency text not null default 'XXX' check (currency ~ '^[A-Z]{3}$'),
    drop constraint facts_daily_pkey,
    drop constraint facts_hourly_provider_check,
    drop constraint facts_hourly_unit_check,
    add primary key (site_id, metric, window_start, currency),
    add constraint facts_daily_provider_check check (provider in ('cloudflare', 'stripe', 'resend', 'supabase')),
    add constraint facts_daily_unit_check check (unit in ('count', 'bytes', 'minor')),
    add constraint facts_daily_money_check check ((unit = 'minor') = (currency <> 'XXX'));

  create or replace view warehouse.metrics_hourly with (security_invoker = true) as
    select site_id, provider, metric, window_start, window_end, value, unit, source, fetched_at, sampling, completeness,
      nullif(currency, 'XXX') as currency
    from flarewatch.facts_hourly;
  create or replace view warehouse.metrics_daily with (security_invoker = true) as
    select site_id, provider, metric, window_start, window_end, value, unit, source, fetched_at, sampling, completeness,
      nullif(currency, 'XXX') as currency
    from flarewatch.facts_daily;
end
$$;
