import { TENANT_HEADER } from '../../domain/contracts/api.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { type Sql, type Transaction, withDatabase } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import { type Standing, standingOf } from './queries/standing.ts'
import { Refusal, refusalCode } from './refusal.ts'
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
    if (named === null) await bindClaims(sql, session, tenantId, visit.now)
    return query({ sql, tenantId })
  })
}

/** Runs `query` as the user, with `tenantId` bound where one is given. */
export async function withUser<Value>(
  session: Session,
  { bindings, context, now }: Visit,
  tenantId: TenantId | null,
  query: (sql: Transaction, standing: Standing) => Promise<Value>,
): Promise<Value> {
  return withDatabase(bindings.DB, context, async (database) => {
    const result = database.begin('read only', async (sql) => {
      await bindClaims(sql, session, tenantId, now)
      const standing = await standingOf(sql, session.userId, tenantId)
      requireLive(standing.session)
      // Wrapped, since postgres.js would unwrap an array of promises that a query returned.
      return { value: await query(sql, standing), useDue: standing.useDue }
    })
    const { value, useDue } = await withinTime(result)
    if (useDue) context.waitUntil(noteUse(database, session, now))
    return value
  })
}

function requireLive(state: Standing['session']): void {
  if (state === 'live') return
  throw new Refusal(state === 'ended' ? 'session_ended' : 'session_expired', { 'www-authenticate': 'Bearer' })
}

/** Once a minute at most, after the answer. A note that is lost can end the session early, and never late. */
async function noteUse(database: Sql, { userId, sessionId }: Session, now: number): Promise<void> {
  try {
    await database`select flarewatch.use_session(${userId}, ${sessionId}, ${new Date(now)})`
  } catch (error) {
    log('gateway', 'warn', 'session.use_not_noted', { code: refusalCode(error) })
  }
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

async function bindClaims(
  sql: Transaction,
  { userId, aal, sessionId }: Session,
  tenantId: TenantId | null,
  now: number,
): Promise<void> {
  const at = new Date(now).toISOString()
  const claims = { sub: userId, aal, session_id: sessionId, tenant_id: tenantId, at }
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
