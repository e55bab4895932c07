import { expect, test } from 'vitest'
import { LINTS_QUERY } from '../../domain/providers/supabase/lints.ts'
import { DATABASE_QUERY, SLOW_STATEMENTS_QUERY } from '../../domain/providers/supabase/queries.ts'
import { DatabaseRows, LintRows, SlowStatementsRows } from '../../domain/providers/supabase/readings.ts'
import { as, connectAs, rolledBack, type Tx } from './database.ts'

const sql = connectAs('supabase_admin')

test('what a client’s Supabase database is asked is answered by Postgres to a role that may read nothing', () =>
  rolledBack(sql, async (tx) => {
    await tx`set local search_path = ''`
    const [reading] = DatabaseRows.parse([...(await as(tx, 'anon', () => tx.unsafe(DATABASE_QUERY)))])
    expect(Math.abs(reading.read_at * 1000 - Date.now())).toBeLessThan(60_000)
    expect(reading.connections).toBeGreaterThan(0)
    expect(reading.connection_limit).toBeGreaterThan(reading.connections)
    expect(reading.database_bytes).toBeGreaterThan(1_000_000)
  }))

test('statements of a client’s Supabase database are counted where Supabase lays them, from over a second on average', () =>
  rolledBack(sql, async (tx) => {
    await tx`create schema if not exists extensions`
    await tx`create view extensions.pg_stat_statements as
      select queryid::bigint, calls::bigint, total_exec_time::float8, mean_exec_time::float8, 'never asked for' as query
      from (values (1, 10, 9999, 999.9), (2, 1, 1000, 1000.0), (-3, 2, 2001, 1000.5), (4, 1, 9000, 9000.0), (4, 3, 6000, 2000.0),
        (null, 5, 50000, 10000.0)) as t (queryid, calls, total_exec_time, mean_exec_time)`
    const rows = await tx.unsafe(SLOW_STATEMENTS_QUERY)
    expect(SlowStatementsRows.parse([...rows])).toEqual([
      {
        read_at: expect.any(Number),
        slow_statements: 4,
        slowest: [
          { id: '4', calls: 4, mean_ms: 3750 },
          { id: '-3', calls: 2, mean_ms: 1001 },
        ],
      },
    ])
  }))

/** For each lint, objects that have the fault; and beside each one like it that has not. */
const FAULTY = `
  create table public.open_table (id int primary key);
  grant select on public.open_table to anon;
  create table public.guarded (id int primary key, owner int);
  alter table public.guarded enable row level security;
  create policy "own rows" on public.guarded using (owner = 1);
  create table public.private_table (id int primary key);
  revoke all on public.private_table from public, anon, authenticated;

  create table public.vain (id int primary key);
  revoke all on public.vain from public, anon, authenticated;
  create policy "no effect" on public.vain using (id = 1);

  create view public.people as select id from auth.users;
  create view public.careful_view with (security_invoker = on) as select id from public.guarded;
  create view public.careless_view as select id from public.guarded;
  grant select on public.people, public.careful_view, public.careless_view to authenticated;

  create policy "meta" on public.guarded for select using ((current_setting('request.jwt.claims')::jsonb -> 'user_metadata') is not null);
  create policy "write" on public.guarded for insert to anon with check (true);
  create policy "read" on public.guarded for select to anon using (true);

  create function public.privileged_call(a int, b text) returns int language sql security definer set search_path = '' return a;
  create function public.closed_call() returns int language sql security definer set search_path = '' return 1;
  revoke execute on function public.closed_call() from public, anon;
  grant execute on function public.privileged_call(int, text) to anon;
  create function public.loose() returns int language sql return 1;

  create table public.lines (id int primary key, table_id int references public.open_table, guarded_id int references public.guarded);
  alter table public.lines enable row level security;
  create index lines_guarded on public.lines (guarded_id);
  create index lines_guarded_again on public.lines (guarded_id);
  create index lines_other on public.lines (guarded_id desc);

  create schema app;
  create table app.keyless (a int);
`

test('lints find each fault in a client’s Supabase database, and nothing beside it, as a role that may read no table', () =>
  rolledBack(sql, async (tx) => {
    const before = await foundBy(tx)
    await tx.unsafe(FAULTY)
    await tx`set local search_path = ''`
    const found = await foundBy(tx)
    expect(found.filter((each) => !before.includes(each))).toEqual(
      [
        'rls_disabled_in_public public.open_table',
        'policy_exists_rls_disabled public.vain',
        'auth_users_exposed public.people',
        'security_definer_view public.careless_view',
        'security_definer_view public.people',
        'rls_references_user_metadata public.guarded: meta',
        'rls_policy_always_true public.guarded: write',
        'anon_security_definer_function_executable public.privileged_call(a integer, b text)',
        'function_search_path_mutable public.loose()',
        'duplicate_index public.lines: lines_guarded, lines_guarded_again',
        'unindexed_foreign_keys public.lines: lines_table_id_fkey',
        'no_primary_key app.keyless',
        'rls_enabled_no_policy public.lines',
      ].sort(),
    )
  }))

test('a lint that finds very much tells of a hundred, and that there is more', () =>
  rolledBack(sql, async (tx) => {
    await tx`create schema app`
    await tx.unsafe(
      Array.from({ length: 120 }, (_, index) => `create table app."${'ä'.repeat(29)}${index}" (a int);`).join(''),
    )
    await tx.unsafe(
      `create function app.f(${Array.from({ length: 40 }, (_, i) => `arg_${i} int`).join()}) returns int language sql return 1`,
    )
    const found = await foundBy(tx)
    expect(found.filter((each) => each.startsWith('no_primary_key app'))).toHaveLength(101)
    const long = found.find((each) => each.startsWith('function_search_path_mutable app.f')) ?? ''
    expect(long).toMatch(/… [0-9a-f]{8}$/)
    expect(long.length).toBeLessThan(300)
  }))

async function foundBy(tx: Tx): Promise<string[]> {
  const [{ found }] = LintRows.parse([...(await as(tx, 'authenticated', () => tx.unsafe(LINTS_QUERY)))])
  return found.map(({ lint, subject }) => `${lint} ${subject}`).sort()
}
