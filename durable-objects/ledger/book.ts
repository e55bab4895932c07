import { z } from 'zod'
import { type AuditRow, epochOf, genesisHash, hashRow, sealedPart } from '../../domain/audit/row.ts'
import { equalConstantTime, randomBytes } from '../../domain/bytes.ts'
import type {
  AdoptAnswer,
  AdoptRequest,
  AppendAnswer,
  Appended,
  AppendRequest,
  LedgerHead,
  Shredding,
} from '../../domain/contracts/durable-objects.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { fromBlob, toBlob } from '../columns.ts'
import type { LedgerSql } from './platform.ts'
import { Restored } from './restored.ts'
import { readShredding } from './shredding.ts'
import { createTables, type IncidentColumns, type LedgerColumns, type RowColumns } from './tables.ts'

const SHARE_BYTES = 32
const HOUR_MS = 3_600_000
/**
 * Rows that may wait for Postgres. At 17 KiB a row they fill 4 GB of the 10 that an object may have, with the rows of 35
 * days beside them; at the pace of polling they are weeks. Beyond it an act is refused: nothing is thrown away for room.
 */
export const MAX_WAITING_ROWS = 250_000
/** The row of a tenant's birth: never pruned, since while the tenant is being born it may be asked for again. */
const BIRTH_SEQ = 1

const Detail = z.record(z.string(), z.string())
type Batch = {
  /** As it is while the batch goes on; what changes of it besides the head is written at once. */
  readonly ledger: LedgerColumns
  /** Ids that have a row already. */
  readonly known: Set<string>
}
export type Incident = Omit<IncidentColumns, 'detail'> & { readonly detail: z.infer<typeof Detail> }

/** One tenant's ledger in SQLite. Every method is synchronous: what it reads cannot change before it has written. */
export class Book {
  readonly #sql: LedgerSql
  /** Set while many rows are appended in one go. */
  #batch: Batch | null = null
  readonly restored: Restored

  constructor(sql: LedgerSql) {
    this.#sql = sql
    createTables(sql)
    this.restored = new Restored(sql)
  }

  ledger(): LedgerColumns | null {
    if (this.#batch !== null) return this.#batch.ledger
    return this.#sql.exec<LedgerColumns>('SELECT * FROM ledger').toArray()[0] ?? null
  }

  /** Makes both shares at the first call. They are random: a lost ledger cannot be made again. */
  bear(tenantId: TenantId): LedgerColumns {
    this.#sql.exec(
      `INSERT OR IGNORE INTO ledger (one, tenant_id, audit_share, release_share, seq, hash, epoch, at, flushed_seq,
        released_since_birth, behind) VALUES (1, ?, ?, ?, 0, ?, 0, 0, 0, 0, 0)`,
      tenantId,
      randomBytes(SHARE_BYTES),
      randomBytes(SHARE_BYTES),
      genesisHash(tenantId),
    )
    return this.#born()
  }

  head(): LedgerHead {
    const ledger = this.ledger()
    if (ledger === null) return UNBORN
    return {
      tenantId: TenantId.parse(ledger.tenant_id),
      seq: ledger.seq,
      hash: fromBlob(ledger.hash),
      epoch: ledger.epoch,
      at: ledger.at,
      flushedSeq: ledger.flushed_seq,
      frozen: ledger.frozen_reason !== null,
      behind: ledger.behind === 1,
    }
  }

  /** Appends in order, each row judged by itself. The head is read once and written once: statements are what appending costs. */
  appendAll(requests: readonly AppendRequest[]): AppendAnswer[] {
    const ledger = this.ledger()
    if (ledger === null) return requests.map((request) => this.append(request))
    this.#batch = { ledger: { ...ledger }, known: this.#knownOf(requests) }
    try {
      const answers = requests.map((request) => this.append(request))
      if (this.#batch.ledger.seq > ledger.seq) this.#writeHead(this.#batch.ledger)
      return answers
    } finally {
      this.#batch = null
    }
  }

  #knownOf(requests: readonly AppendRequest[]): Set<string> {
    const ids = JSON.stringify(requests.map(({ row }) => row.rowId))
    return new Set(
      this.#sql
        .exec<Pick<RowColumns, 'row_id'>>(
          'SELECT row_id FROM rows WHERE row_id IN (SELECT value FROM json_each(?))',
          ids,
        )
        .toArray()
        .map(({ row_id }) => row_id),
    )
  }

  /** Appends one row and, when a release is asked, judges it in the same step (L1). */
  append(request: AppendRequest): AppendAnswer {
    const ledger = this.ledger()
    if (ledger === null) return { ok: false, code: 'ledger_lost' }
    if (ledger.tenant_id !== request.row.tenantId) return { ok: false, code: 'tenant_mismatch' }
    if (ledger.behind === 1) return { ok: false, code: 'ledger_behind' }
    if (this.restored.bars(request.row.rowId)) return { ok: false, code: 'ledger_unproven' }
    const isNew = this.#batch !== null && !this.#batch.known.has(request.row.rowId)
    const known = isNew ? null : this.rowOf(request.row.rowId)
    if (known !== null) return this.#appendAgain(known, ledger, request)
    if (this.shredding() !== null) return { ok: false, code: 'tenant_shredded' }
    if (ledger.seq - ledger.flushed_seq >= MAX_WAITING_ROWS) return { ok: false, code: 'ledger_full' }
    return this.#judgeRelease(this.#extend(ledger, request), ledger, request.release)
  }

  #extend(ledger: LedgerColumns, { row, at: askedAt }: Pick<AppendRequest, 'row' | 'at'>): AuditRow {
    const at = Math.max(askedAt, ledger.at)
    const unhashed = { ...row, epoch: epochOf(at), seq: ledger.seq + 1, at, previousHash: fromBlob(ledger.hash) }
    const extending = { ...unhashed, hash: hashRow(unhashed) }
    this.#insert(extending)
    return extending
  }

  /**
   * The chain of Postgres becomes this ledger's, and the operator's act its next row. Rows that only this ledger had are
   * of releases that happened (L1): they follow under new numbers, as they were sealed.
   */
  adopt({ row, at, end }: AdoptRequest, storedHash: (seq: number) => Uint8Array | null): AdoptAnswer {
    const ledger = this.ledger()
    if (ledger === null) return { ok: false, code: 'ledger_lost' }
    if (ledger.behind === 0) return { ok: false, code: 'not_behind' }
    if (this.restored.bars(row.rowId)) return { ok: false, code: 'ledger_unproven' }
    if (this.rowOf(row.rowId) !== null) return { ok: false, code: 'row_conflict' }
    if (end.seq < this.seenInPostgres()) return { ok: false, code: 'postgres_behind' }
    const orphans = this.#takeOut(this.#firstOrphan(ledger, storedHash))
    this.#sql.exec(
      'UPDATE ledger SET behind = 0, seq = ?, hash = ?, epoch = ?, at = ?',
      end.seq,
      end.hash,
      end.epoch,
      end.at,
    )
    this.markFed(end.seq, at)
    const act = this.#extend(this.#born(), { row, at })
    for (const orphan of orphans) this.#extend(this.#born(), { row: sealedPart(orphan), at })
    return { ok: true, ...placeOf(act), carried: orphans.length }
  }

  #firstOrphan({ seq, flushed_seq }: LedgerColumns, storedHash: (seq: number) => Uint8Array | null): number {
    for (let of = flushed_seq + 1; of <= seq; of += 1) {
      const [ours, theirs] = [this.hashOf(of), storedHash(of)]
      if (ours === null || theirs === null || !equalConstantTime(ours, theirs)) return of
    }
    return seq + 1
  }

  #takeOut(fromSeq: number): AuditRow[] {
    const tenantId = this.#tenantId()
    return this.#sql
      .exec<RowColumns>('SELECT * FROM rows WHERE seq >= ? ORDER BY seq', fromSeq)
      .toArray()
      .map((row) => {
        this.#sql.exec('DELETE FROM rows WHERE seq = ?', row.seq)
        return auditRow(tenantId, row)
      })
  }

  #born(): LedgerColumns {
    return this.#sql.exec<LedgerColumns>('SELECT * FROM ledger').one()
  }

  /**
   * The same row again is the same answer, but a share left with it only once: one row a release (L1). The exception is
   * the birth, whose one row must survive a crash between the release and the storing of the tenant's DEK; it ends with
   * the first release for anything else.
   */
  #appendAgain(known: AuditRow, ledger: LedgerColumns, { row, release }: AppendRequest): AppendAnswer {
    const identical =
      known.keyVersion === row.keyVersion &&
      equalConstantTime(known.sealed, row.sealed) &&
      equalConstantTime(known.actorTag, row.actorTag) &&
      equalConstantTime(known.actionTag, row.actionTag) &&
      equalConstantTime(known.targetTag, row.targetTag)
    if (!identical) return { ok: false, code: 'row_conflict' }
    if (release === undefined) return { ok: true, ...placeOf(known), share: null }
    if (this.shredding() !== null) return { ok: false, code: 'tenant_shredded' }
    if (known.seq !== BIRTH_SEQ || ledger.released_since_birth === 1) {
      return { ok: false, code: 'already_released', ...placeOf(known) }
    }
    return this.#judgeRelease(known, ledger, release)
  }

  #judgeRelease(row: AuditRow, ledger: LedgerColumns, release: AppendRequest['release']): AppendAnswer {
    const place = placeOf(row)
    if (release === undefined) return { ok: true, ...place, share: null }
    if (ledger.frozen_reason !== null) return { ok: false, code: 'tenant_frozen', ...place }
    const now = Math.max(row.at, ledger.at)
    if (this.#countRelease(release.door, Math.floor(now / HOUR_MS)) > release.budgetPerHour) {
      this.freeze(`budget_exceeded:${release.door}`, now)
      this.noteIncident('budget_exceeded', row.seq, now, { door: release.door })
      return { ok: false, code: 'budget_exceeded', ...place }
    }
    if (row.seq !== BIRTH_SEQ && ledger.released_since_birth === 0) {
      this.#sql.exec('UPDATE ledger SET released_since_birth = 1')
      if (this.#batch !== null) this.#batch.ledger.released_since_birth = 1
    }
    return { ok: true, ...place, share: fromBlob(ledger.release_share) }
  }

  #countRelease(door: string, hour: number): number {
    this.#sql.exec('DELETE FROM releases WHERE hour < ?', hour)
    return this.#sql
      .exec<{ count: number }>(
        `INSERT INTO releases (door, hour, count) VALUES (?, ?, 1)
          ON CONFLICT (door, hour) DO UPDATE SET count = count + 1 RETURNING count`,
        door,
        hour,
      )
      .one().count
  }

  #insert(row: AuditRow): void {
    this.#sql.exec(
      `INSERT INTO rows (seq, row_id, epoch, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed,
        hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.seq,
      row.rowId,
      row.epoch,
      row.at,
      row.keyVersion,
      row.previousHash,
      row.actorTag,
      row.actionTag,
      row.targetTag,
      row.sealed,
      row.hash,
    )
    const head = { seq: row.seq, hash: toBlob(row.hash), epoch: row.epoch, at: row.at }
    if (this.#batch === null) {
      this.#writeHead(head)
      return
    }
    Object.assign(this.#batch.ledger, head)
    this.#batch.known.add(row.rowId)
  }

  #writeHead({ seq, hash, epoch, at }: Pick<LedgerColumns, 'seq' | 'hash' | 'epoch' | 'at'>): void {
    this.#sql.exec('UPDATE ledger SET seq = ?, hash = ?, epoch = ?, at = ?', seq, hash, epoch, at)
  }

  /** Stops releases, never appends. A reason once set stays until the flag is lifted. */
  freeze(reason: string, at: number): void {
    this.#sql.exec('UPDATE ledger SET frozen_reason = ?, frozen_at = ? WHERE frozen_reason IS NULL', reason, at)
    if (this.#batch !== null) this.#batch.ledger.frozen_reason ??= reason
  }

  /** The hour's budgets begin anew: the first release would otherwise freeze again a tenant that was over one. */
  unfreeze(): void {
    this.#sql.exec('UPDATE ledger SET frozen_reason = NULL, frozen_at = NULL')
    this.#sql.exec('DELETE FROM releases')
  }

  /** Nothing may be numbered on top of lost history; only an operator's recorded act lifts this. */
  markBehind(): void {
    this.#sql.exec('UPDATE ledger SET behind = 1')
  }

  /** Null while the tenant lives. */
  shredding(): Shredding | null {
    return readShredding(this.#sql)
  }

  rowOf(rowId: string): AuditRow | null {
    const [row] = this.#sql.exec<RowColumns>('SELECT * FROM rows WHERE row_id = ?', rowId).toArray()
    return row === undefined ? null : auditRow(this.#tenantId(), row)
  }

  rowsFrom(fromSeq: number, limit: number): AuditRow[] {
    const tenantId = this.#tenantId()
    return this.#sql
      .exec<RowColumns>('SELECT * FROM rows WHERE seq >= ? ORDER BY seq LIMIT ?', fromSeq, limit)
      .toArray()
      .map((row) => auditRow(tenantId, row))
  }

  /** Newest first. */
  rowsDownFrom(seq: number, limit: number): AuditRow[] {
    const tenantId = this.#tenantId()
    return this.#sql
      .exec<RowColumns>('SELECT * FROM rows WHERE seq <= ? ORDER BY seq DESC LIMIT ?', seq, limit)
      .toArray()
      .map((row) => auditRow(tenantId, row))
  }

  keepsRows(): boolean {
    return this.#sql.exec('SELECT 1 FROM rows LIMIT 1').toArray().length > 0
  }

  /** From here to the head no row is left out; row 1 stands alone once its neighbours are pruned. Null when none is kept. */
  keptFrom(): number | null {
    const { from } = this.#sql
      .exec<{ from: number | null }>('SELECT min(seq) AS "from" FROM rows WHERE seq > ?', BIRTH_SEQ)
      .one()
    const bornOnly = from === null && this.head().seq === BIRTH_SEQ
    return (from === BIRTH_SEQ + 1 || bornOnly) && this.hashOf(BIRTH_SEQ) !== null ? BIRTH_SEQ : from
  }

  /** The hash of row 1, which names the tenant in the roster. Null while there is no row. */
  birthHash(): Uint8Array | null {
    return this.hashOf(BIRTH_SEQ) ?? this.restored.birthHash()
  }

  hashOf(seq: number): Uint8Array | null {
    const [row] = this.#sql.exec<Pick<RowColumns, 'hash'>>('SELECT hash FROM rows WHERE seq = ?', seq).toArray()
    return row === undefined ? null : fromBlob(row.hash)
  }

  markFed(throughSeq: number, at: number): void {
    this.#sql.exec(
      'UPDATE rows SET fed_at = ? WHERE seq > (SELECT flushed_seq FROM ledger) AND seq <= ?',
      at,
      throughSeq,
    )
    this.#sql.exec('UPDATE ledger SET flushed_seq = ? WHERE flushed_seq < ?', throughSeq, throughSeq)
  }

  /** Whether rows are left that will be due for pruning one day. */
  prune(fedBefore: number): boolean {
    this.#sql.exec('DELETE FROM rows WHERE fed_at < ? AND seq > ?', fedBefore, BIRTH_SEQ)
    return this.#sql.exec('SELECT 1 FROM rows WHERE seq > ? LIMIT 1', BIRTH_SEQ).toArray().length > 0
  }

  /** One incident for each kind and sequence number, however often it is seen. */
  noteIncident(kind: string, seq: number, at: number, detail: Record<string, string>): void {
    this.#sql.exec(
      'INSERT OR IGNORE INTO incidents (id, kind, seq, detail, at) VALUES (?, ?, ?, ?, ?)',
      crypto.randomUUID(),
      kind,
      seq,
      JSON.stringify(detail),
      at,
    )
  }

  /** The newest row that Postgres was seen to have when this ledger did not: whoever cuts it off afterwards is not followed. */
  seenInPostgres(): number {
    return this.#sql
      .exec<{ seq: number }>(
        "SELECT coalesce(max(seq), 0) AS seq FROM incidents WHERE kind IN ('ledger_behind', 'ledger_lost')",
      )
      .one().seq
  }

  unsentIncidents(): Incident[] {
    return this.#sql
      .exec<IncidentColumns>('SELECT id, kind, seq, detail, at FROM incidents WHERE sent = 0 ORDER BY at')
      .toArray()
      .map((row) => ({ ...row, detail: Detail.parse(JSON.parse(row.detail)) }))
  }

  markSent(incidentId: string): void {
    this.#sql.exec('UPDATE incidents SET sent = 1 WHERE id = ?', incidentId)
  }

  #tenantId(): string {
    return (
      this.#sql.exec<Pick<LedgerColumns, 'tenant_id'>>('SELECT tenant_id FROM ledger').toArray()[0]?.tenant_id ?? ''
    )
  }
}

const UNBORN: LedgerHead = {
  tenantId: null,
  seq: 0,
  hash: new Uint8Array(),
  epoch: 0,
  at: 0,
  flushedSeq: 0,
  frozen: false,
  behind: false,
}

function placeOf({ seq, epoch, hash, at }: AuditRow): Appended {
  return { seq, epoch, hash, at }
}

function auditRow(tenantId: string, row: RowColumns): AuditRow {
  return {
    tenantId,
    epoch: row.epoch,
    seq: row.seq,
    rowId: row.row_id,
    at: row.at,
    keyVersion: row.key_version,
    previousHash: fromBlob(row.previous_hash),
    actorTag: fromBlob(row.actor_tag),
    actionTag: fromBlob(row.action_tag),
    targetTag: fromBlob(row.target_tag),
    sealed: fromBlob(row.sealed),
    hash: fromBlob(row.hash),
  }
}
