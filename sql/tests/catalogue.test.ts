import postgres from 'postgres'
import { describe, expect, inject, test } from 'vitest'
import { LOGIN_ROLES, WORKER_ROLES } from '../../local/postgres/roles.ts'
import { grantedOnFunctions, grantedOnTables } from './catalogue.ts'
import { connectAs } from './database.ts'
import { EXPECTED_FUNCTION_GRANTS, EXPECTED_TABLE_GRANTS } from './grants.expected.ts'

const sql = connectAs('supabase_admin')
const byColumns = (columns: 'all' | readonly string[]) => (columns === 'all' ? columns : [...columns].sort().join(' '))

describe('T4: every role has exactly its grants', () => {
  test('on tables', async () => {
    const expected = Object.entries(EXPECTED_TABLE_GRANTS).flatMap(([table, roles]) =>
      Object.entries(roles).flatMap(([role, verbs]) =>
        Object.entries(verbs).map(([verb, columns]) => `${table} ${role} ${verb} ${byColumns(columns)}`),
      ),
    )
    const granted = await grantedOnTables(sql)
    expect(
      granted.map(({ table, role, verb, columns }) => `${table} ${role} ${verb} ${byColumns(columns)}`).sort(),
    ).toEqual(expected.sort())
  })

  test('on functions', async () => {
    const expected = Object.entries(EXPECTED_FUNCTION_GRANTS).flatMap(([role, names]) =>
      names.map((name) => `${role} ${name}`),
    )
    const granted = await grantedOnFunctions(sql)
    expect(granted.map(({ role, name }) => `${role} ${name}`).sort()).toEqual(expected.sort())
  })

  test('and every table of the schema is in the list', async () => {
    const tables = await sql<{ name: string }[]>`
      select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'flarewatch' and c.relkind in ('r', 'p') and not c.relispartition`
    expect(tables.map(({ name }) => name).sort()).toEqual(Object.keys(EXPECTED_TABLE_GRANTS).sort())
  })
})

describe('L3, T4: what holds for every table, policy and function', () => {
  test('every table, leaves included, has RLS, also for its owner, and belongs to postgres', async () => {
    const loose = await sql`
      select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'flarewatch' and c.relkind in ('r', 'p')
        and not (c.relrowsecurity and c.relforcerowsecurity and pg_get_userbyid(c.relowner) = 'postgres')`
    expect(loose.slice()).toEqual([])
  })

  test('every policy is a sentence and names its roles', async () => {
    const policies = await sql<{ policyname: string; roles: string[]; permissive: string; qual: string | null }[]>`
      select policyname, to_jsonb(roles) as roles, permissive, qual from pg_policies where schemaname = 'flarewatch'`
    for (const { policyname, roles, permissive, qual } of policies) {
      expect(policyname.split(' ').length, policyname).toBeGreaterThanOrEqual(4)
      // PUBLIC is only ever shut out.
      if (roles.includes('public')) expect([permissive, qual], policyname).toEqual(['RESTRICTIVE', 'false'])
    }
  })

  test('A1: every table that the gateway reads has the restrictive TOTP policy', async () => {
    const readable = Object.entries(EXPECTED_TABLE_GRANTS).filter(([, roles]) => roles.flarewatch_gateway !== undefined)
    const guarded = await sql<{ tablename: string; qual: string }[]>`
      select tablename, qual from pg_policies
      where schemaname = 'flarewatch' and permissive = 'RESTRICTIVE' and 'flarewatch_gateway' = any (roles)`
    expect(guarded.map(({ tablename }) => tablename).sort()).toEqual(readable.map(([table]) => table).sort())
    for (const { qual } of guarded) expect(qual).toContain('flarewatch.totp_enrolled()')
  })

  test('every function is owned by postgres and finds nothing by a search path', async () => {
    const functions = await sql<{ name: string; owner: string; config: string[] | null }[]>`
      select p.proname as name, pg_get_userbyid(p.proowner) as owner, to_jsonb(p.proconfig) as config
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname in ('flarewatch', 'privileged', 'auth_hooks')`
    expect(functions.length).toBeGreaterThan(30)
    for (const { name, owner, config } of functions) {
      expect({ owner, config }, name).toEqual({ owner: 'postgres', config: ['search_path=""'] })
    }
  })

  test('policies ask once a query, not once a row', async () => {
    const policies = await sql<{ policyname: string; expression: string }[]>`
      select policyname, coalesce(qual, '') || ' ' || coalesce(with_check, '') as expression
      from pg_policies where schemaname = 'flarewatch'`
    for (const { policyname, expression } of policies) {
      const calls = expression.match(/flarewatch\.\w+\(/g) ?? []
      const wrapped = expression.match(/SELECT flarewatch\.\w+\(/g) ?? []
      expect(wrapped.length, policyname).toBe(calls.length)
    }
  })
})

describe('roles', () => {
  test('the Workers’ logins inherit nothing, bypass nothing and own nothing', async () => {
    const roles = await sql`
      select rolname, rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls or rolinherit as powerful,
        (select count(*)::int from pg_auth_members where member = r.oid) as memberships,
        (select count(*)::int from pg_class where relowner = r.oid) as owned
      from pg_roles r where rolname in ${sql(WORKER_ROLES)} order by 1`
    expect(roles.slice()).toEqual(
      [...WORKER_ROLES].sort().map((rolname) => ({ rolname, powerful: false, memberships: 0, owned: 0 })),
    )
  })

  test('the migration owner has the powers of hosted Supabase’s postgres and no more', async () => {
    const [owner] = await sql`
      select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls from pg_roles where rolname = 'postgres'`
    expect(owner).toEqual({ rolsuper: false, rolcreaterole: true, rolcreatedb: true, rolbypassrls: true })
  })

  test('each logs in with its own password and no other’s', async () => {
    const urls = inject('postgresUrls')
    for (const role of LOGIN_ROLES) {
      const [row] = await withUrl(urls[role], (own) => own`select session_user::text as name`)
      expect(row).toEqual({ name: role })
      const stolen = new URL(urls[role])
      stolen.password = new URL(urls[role === 'postgres' ? 'authenticator' : 'postgres']).password
      await expect(
        withUrl(stolen.href, (other) => other`select 1`),
        role,
      ).rejects.toMatchObject({ code: '28P01' })
    }
  })

  test('no Worker may make a temporary table, a schema or a role', async () => {
    for (const role of WORKER_ROLES) {
      for (const statement of [
        'create temporary table t (a int)',
        'create schema s',
        'create role r',
        'create table public.t (a int)',
      ]) {
        await expect(
          withUrl(inject('postgresUrls')[role], (own) => own.unsafe(statement)),
          statement,
        ).rejects.toMatchObject({ code: '42501' })
      }
    }
  })
})

async function withUrl<Value>(url: string, act: (sql: postgres.Sql) => Promise<Value>): Promise<Value> {
  const own = postgres(url, { max: 1, fetch_types: false })
  try {
    return await act(own)
  } finally {
    await own.end()
  }
}
