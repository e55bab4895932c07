import type { Sql } from '../runtime/database.ts'

/** More than one minute can make, so that what is old never gathers. */
const DROPPED_PER_MINUTE = 12_000

export async function dropOldRuns(sql: Sql, at: Date): Promise<void> {
  await sql`select flarewatch.drop_old_runs(${at}, ${DROPPED_PER_MINUTE})`
}
