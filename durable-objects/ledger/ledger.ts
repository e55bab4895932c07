import type {
  AppendAnswer,
  AppendRequest,
  AuditShareAnswer,
  ShredAnswer,
} from '../../domain/contracts/durable-objects.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { fromBlob } from '../columns.ts'
import { Book } from './book.ts'
import { Feed } from './feed.ts'
import type { LedgerPlatform } from './platform.ts'
import { shred } from './shredding.ts'

const DAY_MS = 24 * 3_600_000
const KEEP_FED_MS = 35 * DAY_MS
/** The alarm stands behind the feeding at once, for the case that this object dies first. */
const FEED_ALARM_MS = 5_000
const FIRST_COMPARISON_MS = 2_000
const MAX_BATCH = 256

const LOST = { ok: false, code: 'ledger_lost' } as const

type Waiting = {
  readonly request: AppendRequest
  readonly resolve: (answer: AppendAnswer) => void
  readonly reject: (reason: unknown) => void
}

/** One life of a tenant's ledger, from start to crash: when rows are committed, answered for, fed and pruned. */
export class Ledger {
  readonly book: Book
  readonly #platform: LedgerPlatform
  readonly #feed: Feed
  #waiting: Waiting[] = []
  #committing = false
  /** Rows in the last commit. */
  #company = 0
  #compared = false
  #alarmAt: number | null = null
  #firstComparison: Promise<unknown> | null = null

  constructor(platform: LedgerPlatform) {
    this.#platform = platform
    this.book = new Book(platform.storage.sql)
    this.#feed = new Feed(this.book, platform)
  }

  async auditShare(tenantId: TenantId): Promise<AuditShareAnswer> {
    if (this.book.ledger() === null && (await this.#feed.reportIfLost(tenantId)))
      return { ok: false, code: 'ledger_lost' }
    if (this.book.shredding() !== null) return { ok: false, code: 'tenant_shredded' }
    const { audit_share } = this.book.bear(tenantId)
    // Keys are wrapped under what is handed out here: a share that a crash takes back takes them along.
    await this.#platform.storage.sync()
    return { ok: true, share: fromBlob(audit_share) }
  }

  async append(request: AppendRequest): Promise<AppendAnswer> {
    if (!this.#compared && (await this.#isLost(request))) return LOST
    const answer = this.#enqueue(request)
    this.#startCommitting()
    return answer
  }

  /** Rows of one call are numbered in its order; each is answered for by itself. */
  async appendMany(requests: readonly AppendRequest[]): Promise<AppendAnswer[]> {
    const [first] = requests
    if (first === undefined) return []
    if (!this.#compared && (await this.#isLost(first))) return requests.map(() => LOST)
    const answers = requests.map((request) => this.#enqueue(request))
    this.#startCommitting()
    return Promise.all(answers)
  }

  /** Not by way of the waiting batch: the row and the end of the shares are one transaction, or neither. */
  async shred(request: Parameters<typeof shred>[2]): Promise<ShredAnswer> {
    if (!this.#compared && (await this.#isLost(request))) return LOST
    return this.write(() => shred(this.#platform.storage.sql, this.book, request))
  }

  /** A write beside the appends: on disk before it is answered for, like them, and fed. */
  async write<Value>(work: () => Value): Promise<Value> {
    const { storage } = this.#platform
    const value = storage.transactionSync(work)
    this.#wakeIn(Math.max(FEED_ALARM_MS, this.#feed.restMs))
    await storage.sync()
    this.#platform.waitUntil(this.#feed.runUntilEmpty())
    return value
  }

  /** Carries what waits to Postgres now, however long it was to rest. True when Postgres has acknowledged everything. */
  feedNow(): Promise<boolean> {
    return this.#feed.run()
  }

  async freeze(reason: string, at: number): Promise<void> {
    this.book.freeze(reason, at)
    await this.#platform.storage.sync()
  }

  async unfreeze(): Promise<void> {
    this.book.unfreeze()
    await this.#platform.storage.sync()
  }

  async alarm(): Promise<void> {
    this.#alarmAt = null
    const fed = await this.#feed.run()
    const at = await this.#platform.clock()
    const keepsRows = this.book.prune(at - KEEP_FED_MS)
    if (!fed) this.#wakeIn(Math.max(FEED_ALARM_MS, this.#feed.restMs))
    else if (keepsRows) this.#wakeIn(DAY_MS)
  }

  #enqueue(request: AppendRequest): Promise<AppendAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
    })
  }

  #startCommitting(): void {
    if (this.#committing) return
    this.#committing = true
    this.#platform.waitUntil(this.#commitWaiting())
  }

  async #commitWaiting(): Promise<void> {
    const { storage, machine } = this.#platform
    // Callers that were answered together mostly come back together: one turn more, and they share the next commit too.
    if (this.#company > 1) await machine.wait(0)
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH)
      this.#company = batch.length
      try {
        const answers = storage.transactionSync(() => this.book.appendAll(batch.map(({ request }) => request)))
        this.#wakeIn(Math.max(FEED_ALARM_MS, this.#feed.restMs))
        await storage.sync()
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

  /**
   * Compares once a start, before anything is numbered. Postgres out of reach is no reason to refuse: the feed compares later. A
   * vault that still holds the audit key can ask for rows of a ledger that is no more.
   */
  async #isLost({ row }: Pick<AppendRequest, 'row'>): Promise<boolean> {
    if (this.book.ledger() === null) {
      await this.#feed.reportIfLost(TenantId.parse(row.tenantId))
      return true
    }
    this.#firstComparison ??= Promise.race([this.#feed.run(), this.#platform.machine.wait(FIRST_COMPARISON_MS)])
    await this.#firstComparison
    this.#compared = true
    return false
  }

  /** The alarm is written in the same turn as the rows that it is for. */
  #wakeIn(ms: number): void {
    const alarmAt = this.#platform.machine.now() + ms
    if (this.#alarmAt !== null && this.#alarmAt <= alarmAt) return
    this.#alarmAt = alarmAt
    this.#platform.waitUntil(this.#platform.storage.setAlarm(alarmAt))
  }
}
