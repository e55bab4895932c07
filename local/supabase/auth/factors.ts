import { randomUUID } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import type postgres from 'postgres'
import { renderSVG } from 'uqr'
import { z } from 'zod'
import { AuthRefused } from './errors.ts'
import { askHook } from './hooks.ts'
import {
  endSessionsBelowAal2,
  endSessionsOf,
  lowerSessionsOf,
  type Queries,
  raiseSession,
  recordAuthentication,
  type StoredSession,
} from './sessions.ts'

/** TOTP factors with the wire format and the rules of hosted Supabase Auth; lite has none. */
export type FactorParts = {
  readonly sql: postgres.Sql
  readonly now: () => number
  /** Shown by authenticator apps when the client names no issuer. */
  readonly defaultIssuer: string
}

const MAX_FACTORS = 10
const CHALLENGE_SECONDS = 300
const SECRET_BYTES = 20
/** One step either side; a used code stays good for its window, as hosted. What follows from that, the vault judges (A3). */
const SKEW_STEPS = 1

const EnrolRequest = z.object({
  factor_type: z.string(),
  friendly_name: z.string().max(128).default(''),
  issuer: z.string().max(128).optional(),
})
const VerifyRequest = z.object({ challenge_id: z.uuid(), code: z.string().regex(/^\d{6}$/) })

type FactorRow = { id: string; status: 'verified' | 'unverified'; secret: string; friendly_name: string | null }

/** What `user.factors` shows: never the secret. */
export async function listFactors(sql: postgres.Sql, userId: string): Promise<Record<string, unknown>[]> {
  const rows = await sql`
    select id, friendly_name, factor_type::text as factor_type, status::text as status,
      created_at, updated_at, last_challenged_at
    from auth.mfa_factors where user_id = ${userId} order by created_at, id`
  return rows.map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)))
}

export async function enrol(
  { sql, now, defaultIssuer }: FactorParts,
  session: StoredSession,
  email: string,
  body: unknown,
): Promise<Record<string, unknown>> {
  const request = EnrolRequest.safeParse(body)
  if (!request.success || request.data.factor_type !== 'totp') {
    throw new AuthRefused(400, 'validation_failed', "factor_type needs to be 'totp'")
  }
  const { friendly_name, issuer } = request.data
  const secret = new Secret({ size: SECRET_BYTES })
  const id = randomUUID()
  const at = new Date(now())
  await sql.begin(async (tx) => {
    // Two enrolments at once must not both pass the checks below.
    await tx`select id from auth.users where id = ${session.userId} for update`
    await refuseEnrolment(tx, session, friendly_name)
    await tx`
      insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, secret, created_at, updated_at)
      values (${id}, ${session.userId}, ${friendly_name}, 'totp', 'unverified', ${secret.base32}, ${at}, ${at})`
  })
  const uri = totpOf(secret.base32, issuer || defaultIssuer, email).toString()
  return {
    id,
    type: 'totp',
    friendly_name,
    totp: { qr_code: renderSVG(uri, { border: 4 }), secret: secret.base32, uri },
  }
}

async function refuseEnrolment(
  sql: postgres.TransactionSql,
  session: StoredSession,
  friendlyName: string,
): Promise<void> {
  const factors = await sql<FactorRow[]>`
    select id, status::text as status, friendly_name from auth.mfa_factors where user_id = ${session.userId}`
  if (friendlyName.trim() !== '' && factors.some(({ friendly_name }) => friendly_name === friendlyName)) {
    throw new AuthRefused(
      422,
      'mfa_factor_name_conflict',
      `A factor with the friendly name "${friendlyName}" for this user already exists`,
    )
  }
  if (factors.length >= MAX_FACTORS) {
    throw new AuthRefused(
      422,
      'too_many_enrolled_mfa_factors',
      'Maximum number of verified factors reached, unenroll to continue',
    )
  }
  if (factors.some(({ status }) => status === 'verified') && session.aal !== 'aal2') {
    throw new AuthRefused(403, 'insufficient_aal', 'AAL2 required to enroll a new factor')
  }
}

export async function challenge(
  { sql, now }: FactorParts,
  session: StoredSession,
  factorId: string,
): Promise<Record<string, unknown>> {
  await ownFactor(sql, session, factorId)
  const id = randomUUID()
  const at = new Date(now())
  await sql.begin((tx) => [
    // clock_timestamp(): the column is unique across all users, and milliseconds would collide.
    tx`update auth.mfa_factors set last_challenged_at = clock_timestamp() where id = ${factorId}`,
    tx`insert into auth.mfa_challenges (id, factor_id, created_at, ip_address) values (${id}, ${factorId}, ${at}, '127.0.0.1')`,
  ])
  return { id, type: 'totp', expires_at: Math.floor(at.getTime() / 1000) + CHALLENGE_SECONDS }
}

/** Verifies a code and raises the session to AAL2; the caller then hands out the session's next tokens. */
export async function verify(
  { sql, now }: FactorParts,
  session: StoredSession,
  factorId: string,
  body: unknown,
): Promise<void> {
  const request = VerifyRequest.safeParse(body)
  const factor = await ownFactor(sql, session, factorId)
  if (!request.success) throw invalidCode()
  const at = new Date(now())
  const { challenge_id, code } = request.data
  await requireChallenge(sql, factorId, challenge_id, at)
  const window = { token: code, window: SKEW_STEPS, timestamp: at.getTime() }
  const valid = totpOf(factor.secret, '', '').validate(window) !== null
  await requireAdmitted(sql, session.userId, factorId, valid)
  if (!valid) throw invalidCode()
  await sql.begin(async (tx) => {
    await claimChallenge(tx, factorId, challenge_id, at)
    await tx`update auth.mfa_factors set status = 'verified', updated_at = ${at} where id = ${factorId}`
    await tx`delete from auth.mfa_factors where user_id = ${session.userId} and status = 'unverified'`
    await recordAuthentication(tx, session.id, 'totp', at)
    await raiseSession(tx, session.id, factorId)
    await endSessionsBelowAal2(tx, session.userId)
  })
}

/** A hook's refusal ends every session of the person, as with hosted Supabase. */
async function requireAdmitted(sql: postgres.Sql, userId: string, factorId: string, valid: boolean): Promise<void> {
  const event = { user_id: userId, factor_id: factorId, factor_type: 'totp', valid } as const
  const answer = await askHook(sql, { hook: 'mfa_verification_attempt', ...event })
  if (answer.decision === 'continue') return
  await endSessionsOf(sql, userId)
  throw new AuthRefused(403, 'mfa_verification_rejected', answer.message)
}

function invalidCode(): AuthRefused {
  return new AuthRefused(422, 'mfa_verification_failed', 'Invalid TOTP code entered')
}

/** A challenge serves once: of two concurrent verifications the row lock lets one through. */
async function claimChallenge(sql: postgres.TransactionSql, factorId: string, id: string, at: Date): Promise<void> {
  await sql`select from auth.mfa_challenges where id = ${id} for update`
  await requireChallenge(sql, factorId, id, at)
  await sql`update auth.mfa_challenges set verified_at = ${at} where id = ${id}`
}

async function requireChallenge(sql: Queries, factorId: string, id: string, at: Date): Promise<void> {
  const [row] = await sql<{ created_at: Date; verified_at: Date | null }[]>`
    select created_at, verified_at from auth.mfa_challenges where id = ${id} and factor_id = ${factorId}`
  if (row === undefined || row.verified_at !== null) {
    throw new AuthRefused(422, 'mfa_factor_not_found', 'MFA factor with the provided challenge ID not found')
  }
  if (at.getTime() - row.created_at.getTime() > CHALLENGE_SECONDS * 1000) {
    throw new AuthRefused(
      422,
      'mfa_challenge_expired',
      `MFA challenge ${id} has expired, verify against another challenge or create a new challenge.`,
    )
  }
}

export async function unenrol({ sql }: FactorParts, session: StoredSession, factorId: string): Promise<{ id: string }> {
  const factor = await ownFactor(sql, session, factorId)
  if (factor.status === 'verified' && session.aal !== 'aal2') {
    throw new AuthRefused(422, 'insufficient_aal', 'AAL2 required to unenroll verified factor')
  }
  await removeFactor(sql, session.userId, factorId)
  return { id: factorId }
}

/** The admin's: nothing is asked of any session. */
export async function deleteFactor({ sql }: FactorParts, userId: string, factorId: string): Promise<{ id: string }> {
  await ownFactor(sql, { userId }, factorId)
  await removeFactor(sql, userId, factorId)
  return { id: factorId }
}

async function removeFactor(sql: postgres.Sql, userId: string, factorId: string): Promise<void> {
  await sql.begin(async (tx) => {
    await lowerSessionsOf(tx, userId, factorId)
    await tx`delete from auth.mfa_factors where id = ${factorId}`
  })
}

async function ownFactor(
  sql: postgres.Sql,
  { userId }: Pick<StoredSession, 'userId'>,
  factorId: string,
): Promise<FactorRow> {
  const [factor] = await sql<FactorRow[]>`
    select id, status::text as status, secret, friendly_name from auth.mfa_factors
    where id = ${factorId} and user_id = ${userId} and factor_type = 'totp'`
  if (factor === undefined) throw new AuthRefused(404, 'mfa_factor_not_found', 'Factor not found')
  return factor
}

function totpOf(secret: string, issuer: string, label: string): TOTP {
  return new TOTP({ secret, issuer, label, algorithm: 'SHA1', digits: 6, period: 30 })
}
