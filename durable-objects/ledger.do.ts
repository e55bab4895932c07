/**
 * AuditLedger: the order of one tenant's audit rows, and the two shares without which the tenant's keys stay wrapped.
 *
 * Key: the tenant id.
 * Invariants:
 *  - Rows are numbered 1, 2, 3 ... without gap or fork; each hashes the one before (L2). Nothing is ever renumbered.
 *  - The release share leaves only inside the acknowledgement of a row asked for as a release, once a row (L1).
 *    Freeze flag and hourly budget are judged in the same step as the append; they stop shares, never rows.
 *  - Shares are made once, at birth. They leave in no other form than sealed to the backup key, and come back only into a
 *    ledger that has none or none that were ever proven; a ledger of which Postgres has rows is not born again (V2).
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
  AdoptAnswer,
  AdoptRequest,
  AppendAnswer,
  AppendRequest,
  AuditLedgerApi,
  AuditShareAnswer,
  LedgerHead,
  LedgerStanding,
  RefeedAnswer,
  RestoreAnswer,
  RestoreOffer,
  RestoreRequest,
  SealSharesAnswer,
  ShredAnswer,
  Shredding,
} from '../domain/contracts/durable-objects.ts'
import { AuditRowId, TenantId } from '../domain/contracts/ids.ts'
import { KeyInventory } from '../domain/contracts/shredding.ts'
import { parseBindings } from '../workers/runtime/bindings.ts'
import { currentTime } from '../workers/runtime/clock.ts'
import { backupKeyOf } from './backup-key.ts'
import { HostBindings } from './bindings.ts'
import { bytes32 } from './columns.ts'
import { Ledger } from './ledger/ledger.ts'
import { postgresStore } from './ledger/postgres-store.ts'
import { Recovery } from './ledger/recovery.ts'

const MAX_PAGE = 500
/** What sealing can yield. A row that Postgres would refuse would keep all rows after it from there. */
const SEALED_BYTES = { min: 285, max: 17 * 1024 } as const
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
  sealed: z
    .instanceof(Uint8Array)
    .refine(({ byteLength }) => byteLength >= SEALED_BYTES.min && byteLength <= SEALED_BYTES.max),
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
const End = z.strictObject({ seq: z.int().positive(), hash: bytes32, epoch: z.int().positive(), at: Moment })
const Adopt = z.strictObject({ row: Row, at: Moment, end: End })
const SealShares = z.strictObject({ rowId: AuditRowId, backupId: z.uuid().lowercase() })
const Restore = z.strictObject({
  tenantId: TenantId,
  offerId: z.uuid().lowercase(),
  sealed: z.instanceof(Uint8Array).refine(({ byteLength }) => byteLength <= SEALED_BYTES.max),
  birthHash: bytes32,
  end: End,
  proofRow: AuditRowId,
  outcomeRow: AuditRowId,
  at: Moment,
})
const Refeed = z.strictObject({ actRow: AuditRowId, below: z.int().positive() })

const Shred = z.strictObject({ row: Row, at: Moment, inventory: KeyInventory })
const MISMATCH = { ok: false, code: 'tenant_mismatch' } as const

export class AuditLedger extends DurableObject<unknown> implements AuditLedgerApi {
  readonly #ledger: Ledger
  readonly #recovery: Recovery

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
    this.#recovery = new Recovery(this.#ledger, {
      backupKey: () => backupKeyOf(bindings),
      connect: () => postgresStore(bindings.DB),
    })
  }

  async auditShare(tenantId: TenantId): Promise<AuditShareAnswer> {
    const parsed = TenantId.parse(tenantId)
    if (!this.#isOf(parsed)) return { ok: false, code: 'tenant_mismatch' }
    return this.#ledger.auditShare(parsed)
  }

  async append(request: AppendRequest): Promise<AppendAnswer> {
    const parsed = Append.parse(request)
    return this.#isNamed(parsed.row.tenantId) ? this.#ledger.append(parsed) : MISMATCH
  }

  async appendMany(requests: readonly AppendRequest[]): Promise<AppendAnswer[]> {
    const parsed = z.array(Append).min(1).max(MAX_PAGE).parse(requests)
    if (parsed.some(({ row }) => !this.#isNamed(row.tenantId))) return parsed.map(() => MISMATCH)
    return this.#ledger.appendMany(parsed)
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
    await this.#ledger.freeze(z.string().min(1).max(MAX_REASON_CHARACTERS).parse(reason), Moment.parse(at))
  }

  async unfreeze(): Promise<void> {
    await this.#ledger.unfreeze()
  }

  async sealShares(request: Parameters<AuditLedgerApi['sealShares']>[0]): Promise<SealSharesAnswer> {
    const { rowId, backupId } = SealShares.parse(request)
    return this.#recovery.sealShares(rowId, backupId)
  }

  async offerRestore(tenantId: TenantId, at: number): Promise<RestoreOffer> {
    if (!this.#isOf(TenantId.parse(tenantId))) return { ok: false, code: 'tenant_mismatch' }
    return this.#recovery.offer(Moment.parse(at))
  }

  async restore(request: RestoreRequest): Promise<RestoreAnswer> {
    const parsed = Restore.parse(request)
    if (!this.#isOf(parsed.tenantId)) return { ok: false, code: 'tenant_mismatch' }
    return this.#recovery.restore(parsed)
  }

  async concludeRestore(proofRow: AuditRowId): Promise<boolean> {
    return this.#recovery.conclude(AuditRowId.parse(proofRow))
  }

  async standing(tenantId: TenantId): Promise<LedgerStanding> {
    return this.#recovery.standing(TenantId.parse(tenantId))
  }

  async refeed(request: Parameters<AuditLedgerApi['refeed']>[0]): Promise<RefeedAnswer> {
    return this.#recovery.refeed(Refeed.parse(request))
  }

  async adopt(request: AdoptRequest): Promise<AdoptAnswer> {
    return this.#recovery.adopt(Adopt.parse(request))
  }

  async shred(request: Parameters<AuditLedgerApi['shred']>[0]): Promise<ShredAnswer> {
    return this.#ledger.shred(Shred.parse(request))
  }

  async shredding(): Promise<Shredding | null> {
    return this.#ledger.book.shredding()
  }

  override async alarm(): Promise<void> {
    await this.#ledger.alarm()
  }

  #isOf(tenantId: TenantId): boolean {
    const known = this.#ledger.book.head().tenantId
    return (known === null || known === tenantId) && this.#isNamed(tenantId)
  }

  /** All that an append needs to know here: whose rows it takes, the book judges with the rest. */
  #isNamed(tenantId: TenantId): boolean {
    const { name } = this.ctx.id
    return name === undefined || name === tenantId
  }
}
