/**
 * AuditLedger: the order of one tenant's audit rows, and the two shares without which the tenant's keys stay wrapped.
 *
 * Key: the tenant id.
 * Invariants:
 *  - Rows are numbered 1, 2, 3 ... without gap or fork; each hashes the one before (L2). Nothing is ever renumbered.
 *  - The release share leaves only inside the acknowledgement of a row asked for as a release, once a row (L1).
 *    Freeze flag and hourly budget are judged in the same step as the append; they stop shares, never rows.
 *  - Once shredded, the shares are gone and the chain has its last row; nothing is released, shared or appended again.
 *  - A row is answered for only once SQLite has it on disk; Postgres gets it afterwards, until it acknowledges.
 * Atomic because: a batch of waiting appends runs in one synchronous transaction. No `await` lies between reading the
 * head and writing it, so no other call can run in between; hashing is synchronous for that reason. Calls that arrive
 * while a commit is on its way to disk form the next batch and share its commit.
 */
import { DurableObject } from 'cloudflare:workers'
import { z } from 'zod'
import type { AuditRow } from '../domain/audit/row.ts'
import type {
  AppendAnswer,
  AppendRequest,
  AuditLedgerApi,
  AuditShareAnswer,
  LedgerHead,
  ShredAnswer,
  Shredding,
} from '../domain/contracts/durable-objects.ts'
import { AuditRowId, TenantId } from '../domain/contracts/ids.ts'
import { KeyInventory } from '../domain/contracts/shredding.ts'
import { parseBindings } from '../workers/runtime/bindings.ts'
import { currentTime } from '../workers/runtime/clock.ts'
import { HostBindings } from './bindings.ts'
import { bytes32, fromBlob } from './columns.ts'
import { Book } from './ledger/book.ts'
import { Feed } from './ledger/feed.ts'
import { readShredding, shred } from './ledger/shredding.ts'

const DAY_MS = 24 * 3_600_000
const KEEP_FED_MS = 35 * DAY_MS
/** The alarm stands behind the feeding at once, for the case that this object dies first. */
const FEED_ALARM_MS = 5_000
const FIRST_COMPARISON_MS = 2_000
const MAX_BATCH = 256
const MAX_PAGE = 500
const MAX_SEALED_BYTES = 17 * 1024
const MAX_BUDGET = 1_000_000
const MAX_REASON_CHARACTERS = 256

const Moment = z.int().nonnegative()
const Row = z.strictObject({
  tenantId: TenantId,
  rowId: AuditRowId,
  keyVersion: z.int().min(1).max(0xffffffff),
  actorTag: bytes32,
  actionTag: bytes32,
  targetTag: bytes32,
  sealed: z.instanceof(Uint8Array).refine(({ byteLength }) => byteLength > 0 && byteLength <= MAX_SEALED_BYTES),
})
const Append = z.strictObject({
  row: Row,
  at: Moment,
  release: z
    .strictObject({
      door: z.enum(['edge', 'connector', 'gateway', 'operator']),
      budgetPerHour: z.int().min(0).max(MAX_BUDGET),
    })
    .exactOptional(),
})

const Shred = z.strictObject({ row: Row, at: Moment, inventory: KeyInventory })

type Waiting = {
  readonly request: AppendRequest
  readonly resolve: (answer: AppendAnswer) => void
  readonly reject: (reason: unknown) => void
}

export class AuditLedger extends DurableObject<unknown> implements AuditLedgerApi {
  readonly #bindings: HostBindings
  readonly #book: Book
  readonly #feed: Feed
  #waiting: Waiting[] = []
  #committing = false
  #alarmAt: number | null = null
  #firstComparison: Promise<unknown> | null = null

  constructor(context: DurableObjectState, env: unknown) {
    super(context, env)
    this.#bindings = parseBindings('durable-objects', HostBindings, env)
    this.#book = new Book(context.storage.sql)
    this.#feed = new Feed(this.#book, this.#bindings.DB, () => currentTime(this.#bindings))
  }

  async auditShare(tenantId: TenantId): Promise<AuditShareAnswer> {
    const parsed = TenantId.parse(tenantId)
    if (!this.#isOf(parsed)) return { ok: false, code: 'tenant_mismatch' }
    const ledger = this.#book.bear(parsed)
    // A ledger that was lost whole comes up empty while Postgres still has the tenant's rows.
    await this.#compareOnce()
    if (this.#book.head().behind) return { ok: false, code: 'ledger_behind' }
    if (readShredding(this.ctx.storage.sql) !== null) return { ok: false, code: 'tenant_shredded' }
    return { ok: true, share: fromBlob(ledger.audit_share) }
  }

  async append(request: AppendRequest): Promise<AppendAnswer> {
    const parsed = Append.parse(request)
    await this.#compareOnce()
    const answer = new Promise<AppendAnswer>((resolve, reject) => {
      this.#waiting.push({ request: parsed, resolve, reject })
    })
    this.ctx.waitUntil(this.#commitWaiting())
    return answer
  }

  async rowOf(rowId: AuditRowId): Promise<AuditRow | null> {
    return this.#book.rowOf(AuditRowId.parse(rowId))
  }

  async rowsFrom(fromSeq: number, limit: number): Promise<AuditRow[]> {
    return this.#book.rowsFrom(Moment.parse(fromSeq), z.int().min(1).max(MAX_PAGE).parse(limit))
  }

  async head(): Promise<LedgerHead> {
    return this.#book.head()
  }

  /** Needs no row first: a freeze must work when nothing else does. */
  async freeze(reason: string, at: number): Promise<void> {
    this.#book.freeze(z.string().min(1).max(MAX_REASON_CHARACTERS).parse(reason), Moment.parse(at))
  }

  async unfreeze(): Promise<void> {
    this.#book.unfreeze()
  }

  async shred(request: Parameters<AuditLedgerApi['shred']>[0]): Promise<ShredAnswer> {
    const parsed = Shred.parse(request)
    await this.#compareOnce()
    const { storage } = this.ctx
    const answer = storage.transactionSync(() => shred(storage.sql, this.#book, parsed))
    this.#wakeIn(FEED_ALARM_MS)
    await storage.sync()
    this.ctx.waitUntil(this.#feed.runUntilEmpty())
    return answer
  }

  async shredding(): Promise<Shredding | null> {
    return readShredding(this.ctx.storage.sql)
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null
    const fed = await this.#feed.run()
    const at = await currentTime(this.#bindings)
    const keepsRows = this.#book.prune(at - KEEP_FED_MS)
    if (!fed) this.#wakeIn(Math.max(FEED_ALARM_MS, this.#feed.restMs))
    else if (keepsRows) this.#wakeIn(DAY_MS)
  }

  async #commitWaiting(): Promise<void> {
    if (this.#committing) return
    this.#committing = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH)
      try {
        const answers = this.ctx.storage.transactionSync(() => batch.map(({ request }) => this.#book.append(request)))
        this.#wakeIn(Math.max(FEED_ALARM_MS, this.#feed.restMs))
        await this.ctx.storage.sync()
        for (const [index, { resolve, reject }] of batch.entries()) {
          const answer = answers[index]
          if (answer === undefined) reject(new Error('a batch was answered short'))
          else resolve(answer)
        }
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#committing = false
    await this.#feed.runUntilEmpty()
  }

  /** Once a start, before anything is numbered. Postgres out of reach is no reason to refuse: the feed compares later. */
  async #compareOnce(): Promise<void> {
    if (this.#book.ledger() === null) return
    this.#firstComparison ??= Promise.race([this.#feed.run(), scheduler.wait(FIRST_COMPARISON_MS)])
    await this.#firstComparison
  }

  #isOf(tenantId: TenantId): boolean {
    const known = this.#book.head().tenantId
    const { name } = this.ctx.id
    return (known === null || known === tenantId) && (name === undefined || name === tenantId)
  }

  /** The alarm is written in the same turn as the rows that it is for. */
  #wakeIn(ms: number): void {
    const alarmAt = Date.now() + ms
    if (this.#alarmAt !== null && this.#alarmAt <= alarmAt) return
    this.#alarmAt = alarmAt
    this.ctx.waitUntil(this.ctx.storage.setAlarm(alarmAt))
  }
}
