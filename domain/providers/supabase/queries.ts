/** What is asked of a project's database. Names are schema-qualified, as Supabase requires; numbers travel as text, exactly. */

/** `pg_stat_database` counts the connections to this one database, and shows that to every role. */
export const DATABASE_QUERY = `select
  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::bigint::text as read_at,
  pg_catalog.pg_database_size(pg_catalog.current_database())::text as database_bytes,
  (select s.numbackends from pg_catalog.pg_stat_database s where s.datname = pg_catalog.current_database())::text as connections,
  pg_catalog.current_setting('max_connections') as connection_limit,
  (select n.nspname from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'pg_stat_statements')::text as statements_schema`

/** Where Supabase installs pg_stat_statements, in every new project. */
export const STATEMENTS_SCHEMA = 'extensions'
/** A count: no text of a statement leaves the project. */
export const SLOW_STATEMENTS_QUERY = `select
  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::bigint::text as read_at,
  pg_catalog.count(*)::text as slow_statements
  from ${STATEMENTS_SCHEMA}.pg_stat_statements where mean_exec_time > 1000`
