import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, inject } from 'vitest'
import { openAuthSession } from '../../local/postgres/auth-users.ts'
import type { LoginRole, WorkerRole } from '../../local/postgres/roles.ts'
import { NOW } from './world.ts'

export type Tx = postgres.TransactionSql<{ bigint: number }>
export type Role = LoginRole | 'anon' | 'authenticated' | 'service_role'

const types = { bigint: { to: 20, from: [20], serialize: String, parse: Number } }

export function connectAs(role: LoginRole, max = 1): postgres.Sql<{ bigint: number }> {
  const sql = postgres(inject('postgresUrls')[role], { max, fetch_types: false, onnotice: () => {}, types })
  afterAll(() => sql.end())
  return sql
}

class RollBack extends Error {}

/** Runs a test in one transaction that is never committed. */
export async function rolledBack(
  sql: postgres.Sql<{ bigint: number }>,
  test: (tx: Tx) => Promise<void>,
): Promise<void> {
  await sql
    .begin(async (tx) => {
      await test(tx)
      throw new RollBack()
    })
    .catch((error: unknown) => {
      if (!(error instanceof RollBack)) throw error
    })
}

/** Runs statements as another role and comes back. Statements of the test itself run as the superuser. */
export async function as<Value>(tx: Tx, role: Role, act: () => Promise<Value>): Promise<Value> {
  await tx`select set_config('role', ${role}, true)`
  const value = await act()
  await tx`reset role`
  return value
}

/** The SQLSTATE with which a statement is refused; `null` when it is not. The transaction goes on either way. */
export async function refusal(tx: Tx, role: Role, act: (tx: Tx) => Promise<unknown>): Promise<string | null> {
  try {
    await tx.savepoint(async (inner) => {
      await as(inner, role, () => act(inner))
    })
    return null
  } catch (error) {
    if (error instanceof postgres.PostgresError) return error.code
    throw error
  }
}

/** Named refusals of Postgres itself. */
export const INSUFFICIENT_PRIVILEGE = '42501'
export const CHECK_VIOLATION = '23514'

export type Claims = {
  readonly sub: string
  readonly aal: 'aal1' | 'aal2'
  readonly tenant_id: string | null
  /** Without one, a session that has just begun. */
  readonly session_id?: string
  readonly at?: string
}

/** What the gateway does at the head of each transaction. */
export async function asGateway<Value>(tx: Tx, claims: Claims | null, act: () => Promise<Value>): Promise<Value> {
  const bound = claims === null ? null : await inSession(tx, claims)
  return await as(tx, 'flarewatch_gateway', async () => {
    if (bound === null) await tx`select set_config('flarewatch.claims', '', true)`
    else await tx`select flarewatch.bind_claims(${tx.json(bound)})`
    return await act()
  })
}

async function inSession(tx: Tx, claims: Claims): Promise<Claims> {
  const at = claims.at ?? NOW.toISOString()
  if (claims.session_id !== undefined) return { ...claims, at }
  const id = randomUUID()
  await openAuthSession(tx, { id, userId: claims.sub, at: NOW, aal: claims.aal })
  return { ...claims, session_id: id, at }
}

/** A request as the Edge Functions send it: in a session that has begun at that moment. */
export async function fromLiveSession(tx: Tx, request: Record<string, unknown>): Promise<Record<string, unknown>> {
  const at = typeof request.at === 'string' ? request.at : NOW.toISOString()
  const id = randomUUID()
  await openAuthSession(tx, { id, userId: String(request.user_id), at: new Date(at) })
  return { session_id: id, at, ...request }
}

/** What the connector does at the head of each transaction. */
export async function asConnector<Value>(tx: Tx, jobId: string, at: Date, act: () => Promise<Value>): Promise<Value> {
  return await as(tx, 'flarewatch_connector', async () => {
    await tx`select flarewatch.bind_job(${jobId}, ${at})`
    return await act()
  })
}

export async function count(tx: Tx, table: string, role: WorkerRole): Promise<number> {
  return await as(tx, role, () => countVisible(tx, table))
}

export async function countVisible(tx: Tx, table: string): Promise<number> {
  const [row] = await tx<{ n: number }[]>`select count(*)::int as n from ${tx(`flarewatch.${table}`)}`
  return row?.n ?? 0
}
