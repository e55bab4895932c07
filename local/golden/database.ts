import postgres from 'postgres'
import type { EmbeddedPostgres } from '../postgres/postgres.ts'
import { startThrowawayPostgres } from '../postgres/throwaway.ts'

/** Nothing kills this server and nothing is kept of it: no commit of two simulated years waits for a disk. */
export async function startGoldenPostgres(): Promise<EmbeddedPostgres> {
  const database = await startThrowawayPostgres('shipped')
  const sql = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
  try {
    await sql`alter system set fsync = off`
    await sql`alter system set synchronous_commit = off`
    await sql`select pg_reload_conf()`
  } finally {
    await sql.end()
  }
  return database
}
