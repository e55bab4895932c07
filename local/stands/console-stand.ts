import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { TenantId } from '../../domain/contracts/ids.ts'
import { seedWorld, type Tenant } from '../../sql/tests/world.ts'
import { createAuthUsers } from '../postgres/auth-users.ts'
import { startThrowawayPostgres } from '../postgres/throwaway.ts'

/** How the function derives a tenant's password and its verifier. */
type Derive = (key: string, tenantId: TenantId) => Promise<{ readonly password: string; readonly verifier: string }>
type Target = { readonly url: string; readonly login: string; readonly password: string; readonly statementId: string }

/** Two agencies with data on both sides, and the login of one. */
export type ConsoleStand = {
  readonly sql: postgres.Sql
  readonly own: Tenant
  readonly other: Tenant
  readonly target: Target
  readonly otherLogin: string
  /** Opens the login of a tenant as the function with this secret does. */
  readonly open: (key: string, tenant: Tenant) => Promise<Target>
  readonly endSessions: () => Promise<unknown>
  readonly stop: () => Promise<void>
}

/** Stands in every text and figure of the other agency. */
export const MARK = 'birch-only-7f3a'
export const MARK_VALUE = '918273645'

export async function startConsoleStand(derive: Derive): Promise<ConsoleStand> {
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
  await sql`update flarewatch.jobs set state = 'done', run_state = 'complete', finished_at = now() where tenant_id = ${birch.id}`
  await sql`analyze`
  const key = randomBytes(32).toString('base64url')
  const url = `postgres://127.0.0.1:${embedded.port}/postgres`
  const open = async (secret: string, tenant: Tenant): Promise<Target> => {
    const { password, verifier } = await derive(secret, TenantId.parse(tenant.id))
    const request = { tenant_id: tenant.id, user_id: tenant.owner, verifier }
    const [row] = await sql`select privileged.open_console(${sql.json(request)}) ->> 'login' as login`
    return { url, login: String(row?.login), password, statementId: 'under-test' }
  }
  const target = await open(key, ash)
  const { login: otherLogin } = await open(key, birch)
  return {
    sql,
    own: ash,
    other: birch,
    target,
    otherLogin,
    open,
    endSessions: async () => sql`select flarewatch.end_console_sessions(${target.login}, interval '0')`,
    stop: async () => {
      await sql.end()
      await embedded.stop()
    },
  }
}
