/**
 * TenantRoster: which tenants exist, in the trust domain that a dump of Postgres cannot touch.
 *
 * Key: one object, named `roster`.
 * Invariant: a tenant enters once, with the hash of the first row of its chain, and never leaves or changes. A tenant
 * that has vanished from Postgres, or whose chain begins otherwise, is thereby seen by the verifier (L2).
 * Atomic because: look-up and insert run in one synchronous turn; the answer is held until SQLite has it on disk.
 */
import { DurableObject } from 'cloudflare:workers'
import { z } from 'zod'
import { equalConstantTime } from '../domain/bytes.ts'
import type { RosterAnswer, RosterEntry, TenantRosterApi } from '../domain/contracts/durable-objects.ts'
import { TenantId } from '../domain/contracts/ids.ts'
import { parseBindings } from '../workers/runtime/bindings.ts'
import { backupKeyOf } from './backup-key.ts'
import { HostBindings } from './bindings.ts'
import { bytes32, fromBlob } from './columns.ts'

const PAGE = 500
const Moment = z.int().nonnegative()

type Row = { position: number; tenant_id: string; first_hash: ArrayBuffer; at: number }

export class TenantRoster extends DurableObject<unknown> implements TenantRosterApi {
  readonly #bindings: HostBindings
  readonly #sql: SqlStorage

  constructor(context: DurableObjectState, env: unknown) {
    super(context, env)
    this.#bindings = parseBindings('durable-objects', HostBindings, env)
    this.#sql = context.storage.sql
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS roster (
      position INTEGER PRIMARY KEY AUTOINCREMENT,
      tenant_id TEXT NOT NULL UNIQUE,
      first_hash BLOB NOT NULL,
      at INTEGER NOT NULL
    )`)
  }

  async enter(tenantId: TenantId, firstHash: Uint8Array, at: number): Promise<RosterAnswer> {
    const entry = { tenantId: TenantId.parse(tenantId), firstHash: bytes32.parse(firstHash), at: Moment.parse(at) }
    const [known] = this.#sql
      .exec<Pick<Row, 'first_hash'>>('SELECT first_hash FROM roster WHERE tenant_id = ?', entry.tenantId)
      .toArray()
    if (known !== undefined) {
      const same = equalConstantTime(fromBlob(known.first_hash), entry.firstHash)
      return same ? { ok: true } : { ok: false, code: 'roster_conflict' }
    }
    this.#sql.exec(
      'INSERT INTO roster (tenant_id, first_hash, at) VALUES (?, ?, ?)',
      entry.tenantId,
      entry.firstHash,
      entry.at,
    )
    return { ok: true }
  }

  async entryOf(tenantId: TenantId): Promise<RosterEntry | null> {
    const [row] = this.#sql.exec<Row>('SELECT * FROM roster WHERE tenant_id = ?', TenantId.parse(tenantId)).toArray()
    return row === undefined ? null : entryOf(row)
  }

  async list(cursor: number | null): Promise<{ entries: RosterEntry[]; next: number | null }> {
    const after = z.int().nonnegative().nullable().parse(cursor) ?? 0
    const rows = this.#sql
      .exec<Row>('SELECT * FROM roster WHERE position > ? ORDER BY position LIMIT ?', after, PAGE)
      .toArray()
    return { entries: rows.map(entryOf), next: rows.length < PAGE ? null : (rows.at(-1)?.position ?? null) }
  }

  async backupKey(): ReturnType<TenantRosterApi['backupKey']> {
    const key = backupKeyOf(this.#bindings)
    return key.ok ? { ok: true, ...key.value } : key
  }
}

function entryOf(row: Row): RosterEntry {
  return { tenantId: TenantId.parse(row.tenant_id), firstHash: fromBlob(row.first_hash), at: row.at }
}
