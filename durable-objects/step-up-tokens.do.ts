/**
 * StepUpTokens: single-use powers of one user, and the single use of the Edge service's and the operator's JWTs.
 *
 * Key: the user id; two further objects, named `service-jti` and `operator-jti`, hold `jti`s and nothing else.
 * Invariants: a token is used at most once, by the session that minted it, for the one act, target and request it names, within 5
 * minutes
 * (A4). Codes of one TOTP window lend freshness to one session alone (A3). A `jti` is accepted once.
 * Atomic because: each judgement is one synchronous turn (hashing included, hence @noble rather than WebCrypto), so of
 * two concurrent uses exactly one finds the row; answers wait until SQLite has the deletion on disk.
 */
import { DurableObject } from 'cloudflare:workers'
import { sha256 } from '@noble/hashes/sha2.js'
import { z } from 'zod'
import { randomBytes, toBase64Url, utf8 } from '../domain/bytes.ts'
import type { StepUpBinding, StepUpTokensApi } from '../domain/contracts/durable-objects.ts'
import { SessionId, TenantId } from '../domain/contracts/ids.ts'
import { parseBindings } from '../workers/runtime/bindings.ts'
import { currentTime } from '../workers/runtime/clock.ts'
import { HostBindings } from './bindings.ts'

const TOKEN_PREFIX = 'fwsu_'
const TOKEN_BYTES = 32
const TOKEN_LIFETIME_MS = 5 * 60_000
/** Further mints drop the oldest: nobody needs more acts in flight, and storage stays bounded. */
const MAX_LIVE_TOKENS = 20
/** A TOTP code passes for its own step of 30 s and one on either side, so sign-ins by one code lie within this window. */
const TOTP_WINDOW_MS = 90_000
/** Freshness ends 300 s after the code (and 30 s of skew); a claim must outlive every rival that it could refuse. */
const CLAIM_MEMORY_MS = 15 * 60_000
const JTI_SKEW_MS = 60_000

const Moment = z.int().nonnegative()
const Binding = {
  sessionId: SessionId,
  tenantId: TenantId,
  action: z.string().max(64),
  targetId: z.uuid(),
  requestDigest: z.base64url().length(43),
}
const Mint = z.strictObject({ ...Binding, at: Moment })
const Consume = z.strictObject({ ...Binding, token: z.string().max(64), at: Moment })
const Freshness = z.strictObject({ sessionId: SessionId, totpAt: Moment, at: Moment })
const Jti = z.strictObject({ jti: z.uuid(), exp: Moment, at: Moment })

const USE_UP =
  'DELETE FROM step_ups WHERE token_hash = ? RETURNING session_id, tenant_id, action, target_id, request_digest, expires_at'

type TokenRow = {
  session_id: string
  tenant_id: string
  action: string
  target_id: string
  request_digest: string
  expires_at: number
}
type Verdict<Code> = { ok: true } | { ok: false; code: Code }

export class StepUpTokens extends DurableObject<unknown> implements StepUpTokensApi {
  readonly #sql: SqlStorage
  readonly #bindings: HostBindings

  constructor(context: DurableObjectState, env: unknown) {
    super(context, env)
    this.#bindings = parseBindings('durable-objects', HostBindings, env)
    this.#sql = context.storage.sql
    // Tokens that an earlier version minted, bound to less: they are refused, as at the end of their five minutes.
    this.#sql.exec('DROP TABLE IF EXISTS tokens')
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS step_ups (
      token_hash BLOB PRIMARY KEY,
      session_id TEXT NOT NULL,
      tenant_id TEXT NOT NULL,
      action TEXT NOT NULL,
      target_id TEXT NOT NULL,
      request_digest TEXT NOT NULL,
      expires_at INTEGER NOT NULL
    ) WITHOUT ROWID`)
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS freshness (
      session_id TEXT NOT NULL,
      totp_at INTEGER NOT NULL,
      claimed_at INTEGER NOT NULL,
      PRIMARY KEY (session_id, totp_at)
    ) WITHOUT ROWID`)
    this.#sql.exec('CREATE TABLE IF NOT EXISTS jtis (jti TEXT PRIMARY KEY, exp INTEGER NOT NULL) WITHOUT ROWID')
  }

  /**
   * Refused when another session claimed within 90 s of this claim, or holds a TOTP entry within 90 s of this one's. The
   * second half is what a replayed code meets however long it waits: its entry stays beside the owner's.
   */
  async claimFreshness(claim: Parameters<StepUpTokensApi['claimFreshness']>[0]): Promise<Verdict<'freshness_claimed'>> {
    const { sessionId, totpAt, at } = Freshness.parse(claim)
    this.#sql.exec('DELETE FROM freshness WHERE claimed_at < ?', at - CLAIM_MEMORY_MS)
    const rivals = this.#sql
      .exec(
        'SELECT 1 FROM freshness WHERE session_id <> ? AND (abs(claimed_at - ?) < ? OR abs(totp_at - ?) < ?) LIMIT 1',
        sessionId,
        at,
        TOTP_WINDOW_MS,
        totpAt,
        TOTP_WINDOW_MS,
      )
      .toArray()
    if (rivals.length > 0) return { ok: false, code: 'freshness_claimed' }
    this.#sql.exec(
      'INSERT OR REPLACE INTO freshness (session_id, totp_at, claimed_at) VALUES (?, ?, ?)',
      sessionId,
      totpAt,
      at,
    )
    this.#prune()
    return { ok: true }
  }

  async mint(request: StepUpBinding & { at: number }): Promise<{ token: string; expiresAt: number }> {
    const { sessionId, tenantId, action, targetId, requestDigest, at } = Mint.parse(request)
    const token = `${TOKEN_PREFIX}${toBase64Url(randomBytes(TOKEN_BYTES))}`
    const expiresAt = at + TOKEN_LIFETIME_MS
    this.#sql.exec('DELETE FROM step_ups WHERE expires_at <= ?', at)
    this.#sql.exec(
      `DELETE FROM step_ups WHERE token_hash IN
        (SELECT token_hash FROM step_ups ORDER BY expires_at DESC LIMIT -1 OFFSET ?)`,
      MAX_LIVE_TOKENS - 1,
    )
    this.#sql.exec(
      `INSERT INTO step_ups (token_hash, session_id, tenant_id, action, target_id, request_digest, expires_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)`,
      sha256(utf8(token)),
      sessionId,
      tenantId,
      action,
      targetId,
      requestDigest,
      expiresAt,
    )
    this.#prune()
    return { token, expiresAt }
  }

  async consume(request: StepUpBinding & { token: string; at: number }): Promise<Verdict<'step_up_invalid'>> {
    const { token, sessionId, tenantId, action, targetId, requestDigest, at } = Consume.parse(request)
    const [minted] = this.#sql.exec<TokenRow>(USE_UP, sha256(utf8(token))).toArray()
    const fits =
      minted !== undefined &&
      minted.session_id === sessionId &&
      minted.tenant_id === tenantId &&
      minted.action === action &&
      minted.target_id === targetId &&
      minted.request_digest === requestDigest &&
      at < minted.expires_at
    return fits ? { ok: true } : { ok: false, code: 'step_up_invalid' }
  }

  async claimJti(claim: Parameters<StepUpTokensApi['claimJti']>[0]): Promise<Verdict<'replayed' | 'expired'>> {
    const { jti, exp, at } = Jti.parse(claim)
    // A pruned `jti` is by then expired for good, so forgetting it cannot let it in again.
    if (exp + JTI_SKEW_MS <= at) return { ok: false, code: 'expired' }
    this.#sql.exec('DELETE FROM jtis WHERE exp <= ?', at - JTI_SKEW_MS)
    const claimed = this.#sql
      .exec('INSERT OR IGNORE INTO jtis (jti, exp) VALUES (?, ?) RETURNING 1', jti, exp)
      .toArray()
    if (claimed.length === 0) return { ok: false, code: 'replayed' }
    this.#prune()
    return { ok: true }
  }

  override async alarm(): Promise<void> {
    const at = await currentTime(this.#bindings)
    this.#sql.exec('DELETE FROM step_ups WHERE expires_at <= ?', at)
    this.#sql.exec('DELETE FROM freshness WHERE claimed_at < ?', at - CLAIM_MEMORY_MS)
    this.#sql.exec('DELETE FROM jtis WHERE exp <= ?', at - JTI_SKEW_MS)
    const kept = this.#sql
      .exec<{ count: number }>(
        'SELECT (SELECT count(*) FROM step_ups) + (SELECT count(*) FROM freshness) + (SELECT count(*) FROM jtis) AS count',
      )
      .one().count
    if (kept > 0) this.#prune()
  }

  /** Nothing expired stays in an object that nobody calls any more. */
  #prune(): void {
    this.ctx.waitUntil(this.ctx.storage.setAlarm(Date.now() + CLAIM_MEMORY_MS))
  }
}
