/**
 * Lints of a client's database, read from its catalogue alone. The names and the meaning are those of github.com/supabase/splinter, the
 * SQL is ours. `public` is taken for the API's schema: which ones it serves is told by no catalogue.
 */

export const LINT_NAMES = [
  'rls_disabled_in_public',
  'policy_exists_rls_disabled',
  'auth_users_exposed',
  'security_definer_view',
  'rls_references_user_metadata',
  'rls_policy_always_true',
  'anon_security_definer_function_executable',
  'function_search_path_mutable',
  'extension_in_public',
  'duplicate_index',
  'unindexed_foreign_keys',
  'no_primary_key',
  'rls_enabled_no_policy',
] as const
export type LintName = (typeof LINT_NAMES)[number]

/** Of one lint; of what is beyond, one more is told. */
export const MAX_OF_A_LINT = 100
const MAX_SUBJECT = 250

/** Schemas of Supabase and of extensions, which their owners keep. */
const NOT_THE_CLIENTS = `'auth', 'cron', 'extensions', 'graphql', 'graphql_public', 'information_schema', 'net', 'pgbouncer', 'pgmq',
    'pgroonga', 'pgsodium', 'pgsodium_masks', 'pgtle', 'realtime', 'repack', 'storage', 'supabase_functions', 'supabase_migrations',
    'tiger', 'topology', 'vault'`

const ofExtension = (catalogue: string, oid: string) => `exists (select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.${catalogue}'::pg_catalog.regclass and d.objid = ${oid} and d.deptype = 'e')`
/** Whether a role that the API serves has a right. */
const may = (what: string, roles = `'anon', 'authenticated'`) =>
  `exists (select from pg_catalog.pg_roles r where r.rolname in (${roles}) and ${what})`
const isInvoker = `exists (select from pg_catalog.pg_options_to_table(c.reloptions) o
    where o.option_name = 'security_invoker' and o.option_value::boolean)`
const isTrue = (expression: string) => `pg_catalog.pg_get_expr(${expression}, p.polrelid) = 'true'`
const trustsMetadata = (expression: string) =>
  `pg_catalog.pg_get_expr(${expression}, p.polrelid) ~ '(auth\\.jwt|request\\.jwt).*user_metadata'`
const isReadable = may(`pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT')`)

/** Each gives `subject`. `relation` is what belongs to the client, `routine` likewise. */
const LINTS: { readonly [Name in LintName]: string } = {
  rls_disabled_in_public: `select name from relation c
    where schema = 'public' and relkind in ('r', 'p') and not relrowsecurity and ${isReadable}`,
  policy_exists_rls_disabled: `select name from relation c
    where relkind in ('r', 'p') and not relrowsecurity and exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid)`,
  auth_users_exposed: `select name from relation c
    where schema = 'public' and relkind in ('v', 'm') and ${isReadable} and exists (
      select from pg_catalog.pg_rewrite w
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
      join pg_catalog.pg_class u on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = u.oid
      join pg_catalog.pg_namespace n on n.oid = u.relnamespace
      where w.ev_class = c.oid and n.nspname = 'auth' and u.relname = 'users'
        and (c.relkind = 'm' or not ${isInvoker} or not u.relrowsecurity))`,
  security_definer_view: `select name from relation c
    where schema = 'public' and relkind = 'v' and not ${isInvoker} and ${isReadable}`,
  rls_references_user_metadata: `select c.name || ': ' || p.polname
    from relation c join pg_catalog.pg_policy p on p.polrelid = c.oid
    where ${trustsMetadata('p.polqual')} or ${trustsMetadata('p.polwithcheck')}`,
  rls_policy_always_true: `select c.name || ': ' || p.polname
    from relation c join pg_catalog.pg_policy p on p.polrelid = c.oid
    where c.relrowsecurity and p.polpermissive and p.polcmd <> 'r'
      and (${isTrue('p.polqual')} or ${isTrue('p.polwithcheck')})
      and (0 = any (p.polroles) or ${may('r.oid = any (p.polroles)')})`,
  anon_security_definer_function_executable: `select name from routine f
    where schema = 'public' and prosecdef and prorettype not in ('trigger'::pg_catalog.regtype, 'event_trigger'::pg_catalog.regtype)
      and ${may(`pg_catalog.has_function_privilege(r.oid, f.oid, 'EXECUTE')`, `'anon'`)}`,
  function_search_path_mutable: `select name from routine
    where not exists (select from pg_catalog.unnest(proconfig) setting where setting like 'search_path=%')`,
  extension_in_public: `select e.extname::text
    from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where n.nspname = 'public' and e.extname <> 'plpgsql'`,
  duplicate_index: `select c.name || ': ' || pg_catalog.string_agg(i.relname, ', ' order by i.relname)
    from relation c join pg_catalog.pg_index x on x.indrelid = c.oid join pg_catalog.pg_class i on i.oid = x.indexrelid
    where c.relkind in ('r', 'm', 'p')
    group by c.name, i.relam, x.indkey::text, x.indclass::text, x.indcollation::text, x.indoption::text, x.indisunique, x.indnkeyatts,
      pg_catalog.pg_get_expr(x.indexprs, x.indrelid), pg_catalog.pg_get_expr(x.indpred, x.indrelid)
    having pg_catalog.count(*) > 1`,
  unindexed_foreign_keys: `select c.name || ': ' || k.conname
    from relation c join pg_catalog.pg_constraint k on k.conrelid = c.oid
    where k.contype = 'f' and k.conparentid = 0 and not exists (
      select from pg_catalog.pg_index x
      where x.indrelid = c.oid and x.indisvalid and x.indpred is null
        and (x.indkey::pg_catalog.int2[])[0:pg_catalog.cardinality(k.conkey) - 1] @> k.conkey)`,
  no_primary_key: `select name from relation c
    where relkind in ('r', 'p') and not relispartition
      and not exists (select from pg_catalog.pg_index x where x.indrelid = c.oid and x.indisprimary)`,
  rls_enabled_no_policy: `select name from relation c
    where relkind in ('r', 'p') and relrowsecurity and not exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid)`,
}

/** One row: when it was read, and what was found, as JSON. */
export const LINTS_QUERY = `with relation as (
  select c.oid, c.relkind, c.relrowsecurity, c.reloptions, c.relispartition, n.nspname as schema,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname !~ '^(pg_|_timescaledb_)' and n.nspname not in (${NOT_THE_CLIENTS}) and not ${ofExtension('pg_class', 'c.oid')}
), routine as (
  select f.oid, f.prosecdef, f.proconfig, f.prorettype, n.nspname as schema,
    pg_catalog.format('%I.%I(%s)', n.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)) as name
  from pg_catalog.pg_proc f join pg_catalog.pg_namespace n on n.oid = f.pronamespace
  where f.prokind in ('f', 'p') and n.nspname !~ '^(pg_|_timescaledb_)' and n.nspname not in (${NOT_THE_CLIENTS})
    and not ${ofExtension('pg_proc', 'f.oid')}
), found (lint, subject) as (
  ${LINT_NAMES.map((name) => `select '${name}', found.subject from (${LINTS[name]}) as found (subject)`).join('\n  union all ')}
), bounded as (
  select lint, pg_catalog.row_number() over (partition by lint order by subject) as place,
    case when pg_catalog.length(subject) <= ${MAX_SUBJECT} then subject
      else pg_catalog.left(subject, ${MAX_SUBJECT - 11}) || '… ' || pg_catalog.left(pg_catalog.md5(subject), 8) end as subject
  from found
)
select pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::bigint::text as read_at,
  (select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('lint', lint, 'subject', subject) order by lint, place), '[]')::text
    from bounded where place <= ${MAX_OF_A_LINT + 1}) as found`
