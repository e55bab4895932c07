import type { Sql } from 'postgres'

type AnySql = Sql<{ bigint: number }>

/** One privilege that is not the owner's own. */
export type Grant = {
  readonly table: string
  readonly role: string
  readonly verb: string
  readonly columns: 'all' | string[]
}

/** Every privilege on every table of ours, leaves included, from the catalogue. */
export async function grantedOnTables(sql: AnySql): Promise<Grant[]> {
  return await sql<Grant[]>`
    with tables as (
      select c.oid, c.relname, c.relowner, c.relacl
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('flarewatch', 'privileged', 'migrations') and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    ), granted as (
      select t.relname, t.relowner, g.grantee, g.privilege_type, null::text as column_name
      from tables t, aclexplode(t.relacl) g
      union all
      select t.relname, t.relowner, g.grantee, g.privilege_type, a.attname
      from tables t join pg_attribute a on a.attrelid = t.oid, aclexplode(a.attacl) g
    )
    select relname as table, case grantee when 0 then 'PUBLIC' else pg_get_userbyid(grantee) end as role,
      lower(privilege_type) as verb,
      case when bool_or(column_name is null) then '"all"' else jsonb_agg(column_name order by column_name) end as columns
    from granted where grantee <> relowner
    group by relname, grantee, privilege_type
    order by 1, 2, 3`
}

/** Every pair of a role and a function of ours that it may call, save the owner's. */
export async function grantedOnFunctions(sql: AnySql): Promise<{ readonly role: string; readonly name: string }[]> {
  return await sql<{ role: string; name: string }[]>`
    select case g.grantee when 0 then 'PUBLIC' else pg_get_userbyid(g.grantee) end as role,
      n.nspname || '.' || p.proname as name
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
    where n.nspname in ('flarewatch', 'privileged', 'auth_hooks') and g.grantee <> p.proowner
    order by 1, 2`
}
