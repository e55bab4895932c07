import { expect, test } from 'vitest'
import { DATABASE_QUERY, SLOW_STATEMENTS_QUERY } from '../../domain/providers/supabase/queries.ts'
import { DatabaseRows, SlowStatementsRows } from '../../domain/providers/supabase/schemas.ts'
import { as, connectAs, rolledBack } from './database.ts'

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
      select * from (values (999.9), (1000.0), (1000.1), (9000.0)) as t (mean_exec_time)`
    const rows = await tx.unsafe(SLOW_STATEMENTS_QUERY)
    expect(SlowStatementsRows.parse([...rows])).toEqual([{ read_at: expect.any(Number), slow_statements: 2 }])
  }))
