import { type Sql, sqlStateOf } from '../../workers/runtime/database.ts'
import { log } from '../../workers/runtime/log.ts'
import { findDisagreement, type StoredHead } from './agreement.ts'
import type { Book } from './book.ts'
import { insertRows, storedHead, withStore } from './stored-rows.ts'

const PART = 'durable-objects'
const BATCH_ROWS = 200
const FIRST_BACKOFF_MS = 1_000
const LONGEST_BACKOFF_MS = 5 * 60_000

/**
 * Carries rows from the ledger to Postgres, in order, until each is acknowledged. One run at a time; a run that fails
 * asks Postgres for its head again before the next, since a failed INSERT may have been one that succeeded.
 */
export class Feed {
  readonly #book: Book
  readonly #hyperdrive: Hyperdrive
  readonly #clock: () => Promise<number>
  #running: Promise<boolean> | null = null
  #agreed = false
  #failures = 0
  #restUntil = 0

  constructor(book: Book, hyperdrive: Hyperdrive, clock: () => Promise<number>) {
    this.#book = book
    this.#hyperdrive = hyperdrive
    this.#clock = clock
  }

  /** Milliseconds until trying again makes sense. */
  get restMs(): number {
    return Math.max(0, this.#restUntil - Date.now())
  }

  /** True when Postgres has acknowledged everything. */
  run(): Promise<boolean> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  /** Feeds at once, unless a failed run has it rest. A run under way may have looked before the newest rows came. */
  async runUntilEmpty(): Promise<void> {
    while (this.restMs === 0 && this.#hasWork()) await this.run()
  }

  #hasWork(): boolean {
    const { tenantId, seq, flushedSeq } = this.#book.head()
    return tenantId !== null && (seq > flushedSeq || this.#book.unsentIncidents().length > 0)
  }

  /**
   * Whether Postgres has rows of a tenant whose ledger has nothing: it was lost whole, and with it the shares. That is an
   * incident, and new shares would only hide it. Throws when Postgres cannot be asked.
   */
  reportIfLost(tenantId: string): Promise<boolean> {
    return withStore(this.#hyperdrive, async (sql) => {
      const stored = await storedHead(sql, tenantId)
      if (stored === null) return false
      this.#book.noteIncident('ledger_lost', stored.seq, await this.#clock(), {})
      log(PART, 'error', 'ledger_lost', { tenant_id: tenantId, seq: stored.seq })
      await this.#sendIncidents(sql, tenantId)
      return true
    })
  }

  async #run(): Promise<boolean> {
    return withStore(this.#hyperdrive, (sql) => this.#runOn(sql))
  }

  async #runOn(sql: Sql): Promise<boolean> {
    const { tenantId } = this.#book.head()
    if (tenantId === null) return true
    try {
      if (!this.#agreed) await this.#compare(sql)
      await this.#sendIncidents(sql, tenantId)
      if (this.#book.head().behind) return this.#rest('ledger_behind', null)
      await this.#sendRows(sql)
      await this.#sendIncidents(sql, tenantId)
      this.#failures = 0
      this.#restUntil = 0
      return true
    } catch (error) {
      const state = sqlStateOf(error)
      if (state !== null) this.#noteRefusal(state, await this.#clock())
      return this.#rest('feed_failed', state)
    }
  }

  async #compare(sql: Sql): Promise<void> {
    const { tenantId, flushedSeq } = this.#book.head()
    if (tenantId === null) return
    const stored = await storedHead(sql, tenantId)
    this.#judge(stored, flushedSeq, await this.#clock())
    this.#agreed = true
  }

  #judge(stored: StoredHead, flushedSeq: number, at: number): void {
    const { seq } = this.#book.head()
    const found = findDisagreement(stored, { seq, flushedSeq, hashOf: (of) => this.#book.hashOf(of) })
    if (found === null) return
    if (found.kind === 'ledger_behind') this.#book.markBehind()
    this.#book.noteIncident(found.kind, found.seq, at, {})
    log(PART, 'error', found.kind, { tenant_id: this.#book.head().tenantId ?? '', seq: found.seq })
  }

  async #sendRows(sql: Sql): Promise<void> {
    for (;;) {
      const rows = this.#book.rowsFrom(this.#book.head().flushedSeq + 1, BATCH_ROWS)
      const last = rows.at(-1)
      if (last === undefined) return
      await insertRows(sql, rows)
      this.#book.markFed(last.seq, await this.#clock())
    }
  }

  async #sendIncidents(sql: Sql, tenantId: string): Promise<void> {
    for (const { id, kind, seq, detail, at } of this.#book.unsentIncidents()) {
      const row = {
        id,
        tenant_id: tenantId,
        kind,
        seq,
        part: PART,
        detail: sql.json(detail),
        at: new Date(at),
      }
      try {
        await sql`insert into flarewatch.incidents ${sql(row)}`
      } catch (error) {
        // The first try was stored and its answer lost.
        if (sqlStateOf(error) !== UNIQUE_VIOLATION) throw error
      }
      this.#book.markSent(id)
    }
  }

  /** Postgres was reached and refused: waiting alone will not help, so it is made known once for each place. */
  #noteRefusal(state: string, at: number): void {
    if (!CHAIN_REFUSAL.test(state)) return
    this.#book.noteIncident('audit_feed_refused', this.#book.head().flushedSeq + 1, at, { sqlstate: state })
  }

  #rest(event: string, state: string | null): false {
    const pause = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures)
    this.#failures += 1
    this.#restUntil = Date.now() + pause
    this.#agreed = false
    log(PART, 'warn', event, {
      tenant_id: this.#book.head().tenantId ?? '',
      ms: pause,
      ...(state && { sqlstate: state }),
    })
    return false
  }
}

const UNIQUE_VIOLATION = '23505'
/** The trigger's own refusals, and integrity violations such as a month without a partition. */
const CHAIN_REFUSAL = /^(FW|23)/
