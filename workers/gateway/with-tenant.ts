import { TENANT_HEADER } from '../../domain/contracts/api.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { type Transaction, withDatabase } from '../runtime/database.ts'
import { type Standing, standingOf } from './queries/standing.ts'
import { Refusal } from './refusal.ts'
import type { Session } from './session.ts'
import type { Visit } from './visit.ts'

/** What a query runs with: a transaction to which user and tenant are bound already. */
export type Tenancy = { readonly sql: Transaction; readonly tenantId: TenantId }

/**
 * Runs `query` for one tenant. The claims are bound by the same transaction that runs the queries, and only for it (`SET
 * LOCAL`), so a pooled connection carries nothing from one request to the next (T4). Row-level security then decides what is
 * visible; the refusals here only name the reason, since a policy alone would answer with empty lists.
 */
export async function withTenant<Value>(
  request: Request,
  session: Session,
  visit: Visit,
  query: (tenancy: Tenancy) => Promise<Value>,
): Promise<Value> {
  const named = namedTenant(request)
  return withUser(session, visit, named, async (sql, { totpEnrolled, tenantId }) => {
    if (!totpEnrolled) throw new Refusal('totp_enrolment_required')
    if (tenantId === null) throw new Refusal('not_a_member')
    if (named === null) await bindClaims(sql, session, tenantId)
    return query({ sql, tenantId })
  })
}

/** Runs `query` as the user, with `tenantId` bound where one is given. */
export async function withUser<Value>(
  session: Session,
  { bindings, context }: Visit,
  tenantId: TenantId | null,
  query: (sql: Transaction, standing: Standing) => Promise<Value>,
): Promise<Value> {
  return withDatabase(bindings.DB, context, async (database) => {
    const result = database.begin('read only', async (sql) => {
      await bindClaims(sql, session, tenantId)
      // Wrapped, since postgres.js would unwrap an array of promises that a query returned.
      return { value: await query(sql, await standingOf(sql, session.userId, tenantId)) }
    })
    return (await withinTime(result)).value
  })
}

/** Longer than any query of ours takes, shorter than a browser waits. */
const STORE_TIMEOUT_MS = 6_000

/** postgres.js tries for ever to reach a server that closes every connection; the user learns after a while that it is out. */
export async function withinTime<Value>(work: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Refusal('store_unreachable')), STORE_TIMEOUT_MS)
  })
  // The loser of the race still fails when its connection is closed, and nobody is left to hear it.
  work.catch(() => {})
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

async function bindClaims(sql: Transaction, session: Session, tenantId: TenantId | null): Promise<void> {
  const claims = { sub: session.userId, aal: session.aal, session_id: session.sessionId, tenant_id: tenantId }
  await sql`select flarewatch.bind_claims(${sql.json(claims)})`
}

function namedTenant(request: Request): TenantId | null {
  const header = request.headers.get(TENANT_HEADER)
  if (header === null) return null
  const parsed = TenantId.safeParse(header)
  // A malformed id names no tenant that anyone is a member of.
  if (!parsed.success) throw new Refusal('not_a_member')
  return parsed.data
}
