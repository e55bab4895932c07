import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { createAuthUsers } from '../../local/postgres/auth-users.ts'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'
import { seedWorld, type Tenant } from '../../sql/tests/world.ts'
import { consoleLogin } from './login.ts'
import type { Target } from './run.ts'

/** Two agencies with data on both sides, and the login of one. */
export type ConsoleStand = {
  readonly sql: postgres.Sql
  readonly own: Tenant
  readonly other: Tenant
  readonly target: Target
  readonly otherLogin: string
  readonly endSessions: () => Promise<unknown>
  readonly stop: () => Promise<void>
}

/** Stands in every text and figure of the other agency. */
export const MARK = 'birch-only-7f3a'
export const MARK_VALUE = '918273645'

export async function startConsoleStand(): Promise<ConsoleStand> {
  const embedded = await startThrowawayPostgres()
  const sql = postgres(embedded.superuserUrl, {
    max: 2,
    onnotice: () => {},
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  })
  await sql`insert into flarewatch.kek_checks (kek_version, check_value) values (1, sha256('first'))`
  await createAuthUsers(sql)
  const { ash, birch } = await sql.begin((tx) => seedWorld(tx))
  await sql`update flarewatch.sites set name = ${MARK} where tenant_id = ${birch.id}`
  for (const table of ['facts_hourly', 'facts_daily']) {
    await sql`update ${sql(`flarewatch.${table}`)} set value = ${MARK_VALUE}, source = ${MARK} where tenant_id = ${birch.id}`
  }
  await sql`update flarewatch.jobs set state = 'done', outcome = 'ok', finished_at = now() where tenant_id = ${birch.id}`
  await sql`analyze`
  const key = randomBytes(32).toString('base64url')
  const target = await openLogin(sql, key, ash, `postgres://127.0.0.1:${embedded.port}/postgres`)
  const { login: otherLogin } = await openLogin(sql, key, birch, target.url)
  return {
    sql,
    own: ash,
    other: birch,
    target,
    otherLogin,
    endSessions: () => sql`select flarewatch.end_console_sessions(${target.login}, interval '0')`,
    stop: async () => {
      await sql.end()
      await embedded.stop()
    },
  }
}

export async function openLogin(sql: postgres.Sql, key: string, tenant: Tenant, url: string): Promise<Target> {
  const { password, verifier } = await consoleLogin(key, tenant.id)
  const request = { tenant_id: tenant.id, user_id: tenant.owner, verifier }
  const [row] = await sql`select privileged.open_console(${sql.json(request)}) ->> 'login' as login`
  return { url, login: row?.login, password, statementId: 'under-test' }
}
