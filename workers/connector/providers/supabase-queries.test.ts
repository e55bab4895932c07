import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DATABASE_QUERY, SLOW_STATEMENTS_QUERY } from '../../../domain/providers/supabase/queries.ts'
import { DatabaseRows, SlowStatementsRows } from '../../../domain/providers/supabase/schemas.ts'
import { startThrowawayPostgres } from '../../../local/postgres/throwaway.ts'

let database: Awaited<ReturnType<typeof startThrowawayPostgres>>
let sql: postgres.Sql

beforeAll(async () => {
  database = await startThrowawayPostgres()
  sql = postgres(database.superuserUrl, { max: 1 })
})
afterAll(async () => {
  await sql.end()
  await database.stop()
})

describe('what is asked of a client’s database', () => {
  it('is answered by Postgres to a role that may read nothing, in the text that the connector takes', async () => {
    await sql`create role bystander`
    const [now, rows] = await sql.begin('read only', async (tx) => {
      await tx`set local role bystander`
      await tx`set local search_path = ''`
      return [Date.now(), await tx.unsafe(DATABASE_QUERY)]
    })
    const [reading] = DatabaseRows.parse([...rows])
    expect(Math.abs(reading.read_at * 1000 - now)).toBeLessThan(60_000)
    expect(reading).toMatchObject({ connections: 1, connection_limit: expect.any(Number), statements_schema: null })
    expect(reading.database_bytes).toBeGreaterThan(1_000_000)
  })

  it('counts statements over a second on average, where they lie as Supabase lays them', async () => {
    await sql`create view extensions.pg_stat_statements as select * from (values (999.9), (1000.0), (1000.1), (9000.0)) as t (mean_exec_time)`
    const rows = await sql.unsafe(SLOW_STATEMENTS_QUERY)
    expect(SlowStatementsRows.parse([...rows])).toEqual([{ slow_statements: 2 }])
  })
})
