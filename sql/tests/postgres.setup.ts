import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { createAuthUsers } from '../../local/postgres/auth-users.ts'
import { LOGIN_ROLES, type LoginRole } from '../../local/postgres/roles.ts'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    readonly postgresUrls: Readonly<Record<LoginRole, string>>
  }
}

/** One embedded Postgres for the suite; each test leaves it as it was, by a transaction that is rolled back. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const embedded = await startThrowawayPostgres()
  const urls = Object.fromEntries(LOGIN_ROLES.map((role) => [role, embedded.urlFor(role)]))
  project.provide('postgresUrls', urls as Record<LoginRole, string>)
  // Committed once: tests that run side by side would wait for each other's insert of the same version, or for the same table.
  const sql = postgres(embedded.superuserUrl, { max: 1 })
  try {
    await sql`insert into flarewatch.kek_checks (kek_version, check_value) values (1, sha256('first'))`
    await createAuthUsers(sql)
  } finally {
    await sql.end()
  }
  return () => embedded.stop()
}
