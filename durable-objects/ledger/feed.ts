import type { TenantId } from '../../domain/contracts/ids.ts'
import { sqlStateOf } from '../../workers/runtime/database.ts'
import { log } from '../../workers/runtime/log.ts'
import { findDisagreement, type StoredHead } from './agreement.ts'
import type { Book } from './book.ts'
import type { AuditStore, LedgerPlatform } from './platform.ts'
import { PART } from './postgres-store.ts'

const BATCH_ROWS = 200
const FIRST_BACKOFF_MS = 1_000
const LONGEST_BACKOFF_MS = 5 * 60_000

/**
 * Carries rows from the ledger to Postgres, in order, until each is acknowledged. One run at a time; a run that fails
 * asks Postgres for its head again before the next, since a failed INSERT may have been one that succeeded.
 */
export class Feed {
  readonly #book: Book
  readonly #platform: Omit<LedgerPlatform, 'waitUntil'>
  #running: Promise<boolean> | null = null
  #agreed = false
  #failures = 0
  #restUntil = 0

  constructor(book: Book, platform: Omit<LedgerPlatform, 'waitUntil'>) {
    this.#book = book
    this.#platform = platform
  }

  /** Milliseconds until trying again makes sense. */
  get restMs(): number {
    return Math.max(0, this.#restUntil - this.#platform.machine.now())
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
  async reportIfLost(tenantId: TenantId): Promise<boolean> {
    const store = this.#platform.connect()
    try {
      const stored = await store.newestRow(tenantId)
      if (stored === null) return false
      this.#book.noteIncident('ledger_lost', stored.seq, await this.#platform.clock(), {})
      log(PART, 'error', 'ledger_lost', { tenant_id: tenantId, seq: stored.seq })
      await this.#sendIncidents(store, tenantId)
      return true
    } finally {
      store.close()
    }
  }

  async #run(): Promise<boolean> {
    const { tenantId } = this.#book.head()
    if (tenantId === null) return true
    const store = this.#platform.connect()
    try {
      if (!this.#agreed) await this.#compare(store)
      await this.#sendIncidents(store, tenantId)
      if (this.#book.head().behind) return this.#rest('ledger_behind', null)
      await this.#sendRows(store)
      await this.#sendIncidents(store, tenantId)
      this.#failures = 0
      this.#restUntil = 0
      return true
    } catch (error) {
      const state = sqlStateOf(error)
      if (state !== null) this.#noteRefusal(state, await this.#platform.clock())
      return this.#rest('feed_failed', state)
    } finally {
      store.close()
    }
  }

  async #compare(store: AuditStore): Promise<void> {
    const { tenantId, flushedSeq } = this.#book.head()
    if (tenantId === null) return
    const at = await this.#platform.clock()
    // Nothing lies between the answer and its judgement: an append could be numbered there on top of lost history.
    this.#judge(await store.newestRow(tenantId), flushedSeq, at)
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

  async #sendRows(store: AuditStore): Promise<void> {
    for (;;) {
      const rows = this.#book.rowsFrom(this.#book.head().flushedSeq + 1, BATCH_ROWS)
      const last = rows.at(-1)
      if (last === undefined) return
      // A row that this side could still lose must not be on the other: its number would be given out again.
      await this.#platform.storage.sync()
      await store.addRows(rows)
      this.#book.markFed(last.seq, await this.#platform.clock())
    }
  }

  async #sendIncidents(store: AuditStore, tenantId: TenantId): Promise<void> {
    for (const incident of this.#book.unsentIncidents()) {
      // Its id is random: lost and noted again, it would be told twice.
      await this.#platform.storage.sync()
      await store.addIncident(tenantId, incident)
      this.#book.markSent(incident.id)
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
    this.#restUntil = this.#platform.machine.now() + pause
    this.#agreed = false
    log(PART, 'warn', event, {
      tenant_id: this.#book.head().tenantId ?? '',
      ms: pause,
      ...(state && { sqlstate: state }),
    })
    return false
  }
}

/** The trigger's own refusals, and integrity violations such as a month without a partition. */
const CHAIN_REFUSAL = /^(FW|23)/
