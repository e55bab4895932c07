-- The schema and one login role a Worker. Nothing here is reachable until a later file grants it by name.
create schema flarewatch;
revoke all on schema flarewatch from public;

create role flarewatch_gateway with login noinherit nobypassrls;
create role flarewatch_scheduler with login noinherit nobypassrls;
create role flarewatch_connector with login noinherit nobypassrls;
create role flarewatch_vault with login noinherit nobypassrls;
create role flarewatch_ledger with login noinherit nobypassrls;
create role flarewatch_verifier with login noinherit nobypassrls;

grant usage on schema flarewatch to
  flarewatch_gateway,
  flarewatch_scheduler,
  flarewatch_connector,
  flarewatch_vault,
  flarewatch_ledger,
  flarewatch_verifier;
