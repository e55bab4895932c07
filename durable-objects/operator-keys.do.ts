/**
 * OperatorKeys: the public halves that a tenant's reveals are sealed to, and sealed answers on their way (V7).
 *
 * Key: the tenant id. Nothing in here opens anything: private halves never leave a member's disk.
 * Invariants: a reveal is sealed to a key that its own member enrolled, that is active and was never removed. Beside a
 * member's first key ever, a key is active only by the signature of an active one, or 24 hours after the owners' mails were
 * put into the outbox. A removed key never comes back, and its member's next key is no first one. A sealed answer is given
 * out at most once, within 5 minutes, to the member who asked and who knows the secret that its place is named after.
 * Atomic because: each judgement is one synchronous turn. The one that awaits, a signature's, reads nothing before it that
 * it does not read again after it.
 */
import { DurableObject } from 'cloudflare:workers'
import { z } from 'zod'
import { AuditRowId, TenantId, UserId } from '../domain/contracts/ids.ts'
import {
  type EnrolAnswer,
  type ExpectAnswer,
  OPERATOR_KEY_WAIT_MS,
  type OperatorKeyEntry,
  OperatorKeyId,
  type OperatorKeysApi,
  PICKUP_LIFETIME_MS,
  type SealedAnswer,
} from '../domain/contracts/operator-keys.ts'
import { isVouchedFor, VOUCH_BYTES } from '../domain/operator-key/key.ts'
import { hpkeHalf, OPERATOR_PUBLIC_BYTES, operatorKeyId } from '../domain/operator-key/public-key.ts'
import { PICKUP_BYTES, pickupIdOf } from '../domain/operator-key/reveal.ts'
import { parseBindings } from '../workers/runtime/bindings.ts'
import { currentTime } from '../workers/runtime/clock.ts'
import { HostBindings } from './bindings.ts'
import { bytes32, bytesOf, fromBlob, toBlob } from './columns.ts'

/** What a page can show and an answer of the vault can hold. */
const MAX_LIVE_KEYS = 50
/** A credential's longest secret and HPKE's overhead, with room. */
const MAX_SEALED_BYTES = 4096

const Moment = z.int().nonnegative()
const Enrol = z.strictObject({
  tenantId: TenantId,
  userId: UserId,
  publicKey: bytesOf(OPERATOR_PUBLIC_BYTES),
  vouch: z.strictObject({ keyId: OperatorKeyId, signature: bytesOf(VOUCH_BYTES) }).nullable(),
  at: Moment,
})
const Announce = z.strictObject({ keyId: OperatorKeyId, at: Moment })
const Remove = z.strictObject({ keyId: OperatorKeyId, at: Moment })
const Expect = z.strictObject({
  userId: UserId,
  keyId: OperatorKeyId,
  pickupId: bytes32,
  intentRow: AuditRowId,
  at: Moment,
})
const Deliver = z.strictObject({
  userId: UserId,
  intentRow: AuditRowId,
  dekVersion: z.int().positive(),
  sealed: z.instanceof(Uint8Array).refine(({ length }) => length > 0 && length <= MAX_SEALED_BYTES),
  at: Moment,
})
const Collect = z.strictObject({ userId: UserId, pickupSecret: bytesOf(PICKUP_BYTES), at: Moment })

type Route = 'first' | 'vouched' | 'waiting'
type KeyRow = {
  key_id: string
  user_id: string
  public_key: ArrayBuffer
  route: Route
  enrolled_at: number
  active_at: number | null
  removed_at: number | null
}
type RequestOf<Name extends keyof OperatorKeysApi> = Parameters<OperatorKeysApi[Name]>[0]

export class OperatorKeys extends DurableObject<unknown> implements OperatorKeysApi {
  readonly #sql: SqlStorage
  readonly #bindings: HostBindings

  constructor(context: DurableObjectState, env: unknown) {
    super(context, env)
    this.#bindings = parseBindings('durable-objects', HostBindings, env)
    this.#sql = context.storage.sql
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS keys (
      key_id TEXT PRIMARY KEY,
      user_id TEXT NOT NULL,
      public_key BLOB NOT NULL,
      route TEXT NOT NULL,
      enrolled_at INTEGER NOT NULL,
      active_at INTEGER,
      removed_at INTEGER
    ) WITHOUT ROWID`)
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS reveals (
      pickup_id BLOB PRIMARY KEY,
      intent_row TEXT NOT NULL UNIQUE,
      user_id TEXT NOT NULL,
      key_id TEXT NOT NULL,
      expires_at INTEGER NOT NULL,
      dek_version INTEGER,
      sealed BLOB
    ) WITHOUT ROWID`)
  }

  async enrol(request: RequestOf<'enrol'>): Promise<EnrolAnswer> {
    const { tenantId, userId, publicKey, vouch, at } = Enrol.parse(request)
    // One repeated byte is a placeholder; an all-zero X25519 key would have every secret in common.
    if (hpkeHalf(publicKey).every((byte) => byte === publicKey[0])) return { ok: false, code: 'operator_key_malformed' }
    if (vouch !== null) {
      const voucher = this.#voucherOf(userId, vouch.keyId, at)
      if (voucher === null) return { ok: false, code: 'vouch_invalid' }
      const context = { tenantId, userId, newKey: publicKey }
      if (!(await isVouchedFor(fromBlob(voucher.public_key), vouch.signature, context))) {
        return { ok: false, code: 'vouch_invalid' }
      }
      if (this.#voucherOf(userId, vouch.keyId, at) === null) return { ok: false, code: 'vouch_invalid' }
    }
    return this.#enter({ userId, publicKey, isVouched: vouch !== null, at })
  }

  async announce(request: RequestOf<'announce'>): Promise<EnrolAnswer> {
    const { keyId, at } = Announce.parse(request)
    const row = this.#key(keyId)
    if (row === undefined) return { ok: false, code: 'operator_key_unknown' }
    if (row.removed_at !== null) return { ok: false, code: 'operator_key_removed' }
    const activeAt = row.route === 'first' ? at : at + OPERATOR_KEY_WAIT_MS
    // Told twice, the first telling holds: its mails named that hour.
    this.#sql.exec('UPDATE keys SET active_at = coalesce(active_at, ?) WHERE key_id = ?', activeAt, keyId)
    return standing({ ...row, active_at: row.active_at ?? activeAt }, at)
  }

  async list(at: number): Promise<OperatorKeyEntry[]> {
    const now = Moment.parse(at)
    const rows = this.#sql.exec<KeyRow>('SELECT * FROM keys WHERE removed_at IS NULL ORDER BY enrolled_at, key_id')
    return rows.toArray().map((row) => ({
      keyId: OperatorKeyId.parse(row.key_id),
      userId: UserId.parse(row.user_id),
      state: stateOf(row, now),
      enrolledAt: row.enrolled_at,
      activeAt: row.active_at,
    }))
  }

  async remove(request: RequestOf<'remove'>): Promise<{ ok: true } | { ok: false; code: 'operator_key_unknown' }> {
    const { keyId, at } = Remove.parse(request)
    if (this.#key(keyId) === undefined) return { ok: false, code: 'operator_key_unknown' }
    this.#sql.exec('UPDATE keys SET removed_at = coalesce(removed_at, ?) WHERE key_id = ?', at, keyId)
    this.#sql.exec('DELETE FROM reveals WHERE key_id = ?', keyId)
    return { ok: true }
  }

  async expect(request: RequestOf<'expect'>): Promise<ExpectAnswer> {
    const { userId, keyId, pickupId, intentRow, at } = Expect.parse(request)
    this.#forgetReveals(at)
    const row = this.#key(keyId)
    if (row === undefined || row.user_id !== userId || row.removed_at !== null) {
      return { ok: false, code: 'operator_key_unknown' }
    }
    if (stateOf(row, at) !== 'active') return { ok: false, code: 'operator_key_waiting' }
    const placed = this.#sql
      .exec(
        `INSERT INTO reveals (pickup_id, intent_row, user_id, key_id, expires_at) VALUES (?, ?, ?, ?, ?)
          ON CONFLICT DO NOTHING RETURNING 1`,
        toBlob(pickupId),
        intentRow,
        userId,
        keyId,
        at + PICKUP_LIFETIME_MS,
      )
      .toArray()
    if (placed.length === 0) return { ok: false, code: 'pickup_taken' }
    this.#prune()
    return { ok: true, publicKey: hpkeHalf(fromBlob(row.public_key)) }
  }

  async deliver(request: RequestOf<'deliver'>): Promise<{ ok: true } | { ok: false; code: 'reveal_unknown' }> {
    const { userId, intentRow, dekVersion, sealed, at } = Deliver.parse(request)
    this.#forgetReveals(at)
    const delivered = this.#sql
      .exec(
        `UPDATE reveals SET dek_version = ?, sealed = ?
          WHERE intent_row = ? AND user_id = ? AND sealed IS NULL RETURNING 1`,
        dekVersion,
        toBlob(sealed),
        intentRow,
        userId,
      )
      .toArray()
    return delivered.length === 1 ? { ok: true } : { ok: false, code: 'reveal_unknown' }
  }

  async collect(request: RequestOf<'collect'>): Promise<SealedAnswer | null> {
    const { userId, pickupSecret, at } = Collect.parse(request)
    this.#forgetReveals(at)
    const [row] = this.#sql
      .exec<{ dek_version: number; sealed: ArrayBuffer }>(
        `DELETE FROM reveals WHERE pickup_id = ? AND user_id = ? AND sealed IS NOT NULL
          RETURNING dek_version, sealed`,
        toBlob(pickupIdOf(pickupSecret)),
        userId,
      )
      .toArray()
    return row === undefined ? null : { dekVersion: row.dek_version, sealed: fromBlob(row.sealed) }
  }

  override async alarm(): Promise<void> {
    this.#forgetReveals(await currentTime(this.#bindings))
    const { count } = this.#sql.exec<{ count: number }>('SELECT count(*) AS count FROM reveals').one()
    if (count > 0) this.#prune()
  }

  #enter({ userId, publicKey, isVouched, at }: EnterRequest): EnrolAnswer {
    const keyId = OperatorKeyId.parse(operatorKeyId(publicKey))
    const known = this.#key(keyId)
    if (known !== undefined) {
      if (known.user_id !== userId) return { ok: false, code: 'operator_key_taken' }
      if (known.removed_at !== null) return { ok: false, code: 'operator_key_removed' }
      return standing(known, at)
    }
    const { live, own } = this.#counts(userId)
    if (live >= MAX_LIVE_KEYS) return { ok: false, code: 'operator_keys_full' }
    const route: Route = isVouched ? 'vouched' : own === 0 ? 'first' : 'waiting'
    const activeAt = isVouched ? at : null
    this.#sql.exec(
      'INSERT INTO keys (key_id, user_id, public_key, route, enrolled_at, active_at) VALUES (?, ?, ?, ?, ?, ?)',
      keyId,
      userId,
      toBlob(publicKey),
      route,
      at,
      activeAt,
    )
    return { ok: true, keyId, state: isVouched ? 'active' : 'unannounced', isFirst: route === 'first', activeAt }
  }

  #key(keyId: OperatorKeyId): KeyRow | undefined {
    return this.#sql.exec<KeyRow>('SELECT * FROM keys WHERE key_id = ?', keyId).toArray()[0]
  }

  #voucherOf(userId: UserId, keyId: OperatorKeyId, at: number): KeyRow | null {
    const row = this.#key(keyId)
    if (row === undefined || row.user_id !== userId || row.removed_at !== null) return null
    return stateOf(row, at) === 'active' ? row : null
  }

  /** Of the tenant's keys those that count, and of the member's all that ever were. */
  #counts(userId: UserId): { live: number; own: number } {
    return this.#sql
      .exec<{ live: number; own: number }>(
        'SELECT count(*) FILTER (WHERE removed_at IS NULL) AS live, count(*) FILTER (WHERE user_id = ?) AS own FROM keys',
        userId,
      )
      .one()
  }

  #forgetReveals(at: number): void {
    this.#sql.exec('DELETE FROM reveals WHERE expires_at <= ?', at)
  }

  /** No answer stays in an object that nobody calls any more. */
  #prune(): void {
    this.ctx.waitUntil(this.ctx.storage.setAlarm(Date.now() + PICKUP_LIFETIME_MS))
  }
}

type EnterRequest = {
  readonly userId: UserId
  readonly publicKey: Uint8Array
  readonly isVouched: boolean
  readonly at: number
}

function stateOf({ active_at }: Pick<KeyRow, 'active_at'>, at: number): OperatorKeyEntry['state'] {
  if (active_at === null) return 'unannounced'
  return active_at <= at ? 'active' : 'waiting'
}

function standing(row: KeyRow, at: number): EnrolAnswer {
  const { key_id, route, active_at: activeAt } = row
  return { ok: true, keyId: OperatorKeyId.parse(key_id), state: stateOf(row, at), isFirst: route === 'first', activeAt }
}
