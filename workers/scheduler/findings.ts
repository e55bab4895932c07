import type { Sql } from '../runtime/database.ts'

const DROPPED_PER_MINUTE = 1000

export async function dropOldFindings(sql: Sql, at: Date): Promise<void> {
  await sql`select flarewatch.drop_old_findings(${at}, ${DROPPED_PER_MINUTE})`
}
