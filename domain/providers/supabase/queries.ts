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
export const MAX_SLOW_STATEMENTS = 20
/**
 * One row: a count, and the ids of those that took the most time. No text leaves the project: Postgres replaces constants in it, but not in
 * every case (utility statements, comments, an entry that was evicted while it ran), and they may be anybody's data.
 */
export const SLOW_STATEMENTS_QUERY = `with slow as (
  select queryid, calls, total_exec_time from ${STATEMENTS_SCHEMA}.pg_stat_statements where mean_exec_time > 1000
), slowest as (
  select queryid::text as id, pg_catalog.sum(calls)::text as calls,
    pg_catalog.round((pg_catalog.sum(total_exec_time) / pg_catalog.sum(calls))::numeric)::text as mean_ms
  from slow where queryid is not null group by queryid order by pg_catalog.sum(total_exec_time) desc, queryid limit ${MAX_SLOW_STATEMENTS}
)
select pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::bigint::text as read_at,
  (select pg_catalog.count(*) from slow)::text as slow_statements,
  (select coalesce(pg_catalog.json_agg(slowest), '[]')::text from slowest) as slowest`

/**
 * ClickHouse's SQL, of the project's logs: calls of edge functions that ended as a server error, by hour; and as hour 0 all of them, so that
 * an answer with rows left out is told from one about a quiet day. No path, address or message is asked for.
 */
const FAILED_CALLS = `countIf(toInt32OrZero(log_attributes['response.status_code']) >= 500) as errors, toUnixTimestamp(now()) as read_at`
export const FUNCTION_ERRORS_QUERY = `select 0 as hour, ${FAILED_CALLS}
from logs where source = 'function_edge_logs'
union all
select toUnixTimestamp(toStartOfHour(timestamp)) as hour, ${FAILED_CALLS}
from logs where source = 'function_edge_logs' group by hour`
