/**
 * AuditLedger: the order of one tenant's audit rows, and the two shares without which the tenant's keys stay wrapped.
 *
 * Key: the tenant id.
 * Invariants:
 *  - Rows are numbered 1, 2, 3 ... without gap or fork; each hashes the one before (L2). Nothing is ever renumbered.
 *  - The release share leaves only inside the acknowledgement of a row asked for as a release, once a row (L1).
 *    Freeze flag and hourly budget are judged in the same step as the append; they stop shares, never rows.
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
} from '../domain/contracts/durable-objects.ts'
import { AuditRowId, TenantId } from '../domain/contracts/ids.ts'
import { parseBindings } from '../workers/runtime/bindings.ts'
import { currentTime } from '../workers/runtime/clock.ts'
import { HostBindings } from './bindings.ts'
import { bytes32 } from './columns.ts'
import { Ledger } from './ledger/ledger.ts'
import { postgresStore } from './ledger/postgres-store.ts'

const MAX_PAGE = 500
/** What sealing can yield. A row that Postgres would refuse would keep all rows after it from there. */
const SEALED_BYTES = { min: 285, max: 17 * 1024 } as const
const MAX_BUDGET = 1_000_000

const Moment = z.int().nonnegative()
const Append = z.strictObject({
  row: z.strictObject({
    tenantId: TenantId,
    rowId: AuditRowId,
    keyVersion: z.int().min(1).max(0xffffffff),
    actorTag: bytes32,
    actionTag: bytes32,
    targetTag: bytes32,
    sealed: z
      .instanceof(Uint8Array)
      .refine(({ byteLength }) => byteLength >= SEALED_BYTES.min && byteLength <= SEALED_BYTES.max),
  }),
  at: Moment,
  release: z
    .strictObject({ door: z.enum(['edge', 'connector', 'gateway']), budgetPerHour: z.int().min(0).max(MAX_BUDGET) })
    .exactOptional(),
})

export class AuditLedger extends DurableObject<unknown> implements AuditLedgerApi {
  readonly #ledger: Ledger

  constructor(context: DurableObjectState, env: unknown) {
    super(context, env)
    const bindings = parseBindings('durable-objects', HostBindings, env)
    this.#ledger = new Ledger({
      storage: context.storage,
      connect: () => postgresStore(bindings.DB),
      clock: () => currentTime(bindings),
      machine: { now: Date.now, wait: (ms) => scheduler.wait(ms) },
      waitUntil: (work) => context.waitUntil(work),
    })
  }

  async auditShare(tenantId: TenantId): Promise<AuditShareAnswer> {
    const parsed = TenantId.parse(tenantId)
    if (!this.#isOf(parsed)) return { ok: false, code: 'tenant_mismatch' }
    return this.#ledger.auditShare(parsed)
  }

  async append(request: AppendRequest): Promise<AppendAnswer> {
    return this.#ledger.append(Append.parse(request))
  }

  async appendMany(requests: readonly AppendRequest[]): Promise<AppendAnswer[]> {
    return this.#ledger.appendMany(z.array(Append).min(1).max(MAX_PAGE).parse(requests))
  }

  async rowOf(rowId: AuditRowId): Promise<AuditRow | null> {
    return this.#ledger.book.rowOf(AuditRowId.parse(rowId))
  }

  async rowsFrom(fromSeq: number, limit: number): Promise<AuditRow[]> {
    return this.#ledger.book.rowsFrom(Moment.parse(fromSeq), z.int().min(1).max(MAX_PAGE).parse(limit))
  }

  async head(): Promise<LedgerHead> {
    return this.#ledger.book.head()
  }

  /** Needs no row first: a freeze must work when nothing else does. */
  async freeze(reason: string, at: number): Promise<void> {
    await this.#ledger.freeze(z.string().min(1).max(64).parse(reason), Moment.parse(at))
  }

  async unfreeze(): Promise<void> {
    await this.#ledger.unfreeze()
  }

  override async alarm(): Promise<void> {
    await this.#ledger.alarm()
  }

  #isOf(tenantId: TenantId): boolean {
    const known = this.#ledger.book.head().tenantId
    const { name } = this.ctx.id
    return (known === null || known === tenantId) && (name === undefined || name === tenantId)
  }
}
