import { openFromBackup, sealForBackup } from '../../domain/backup/seal.ts'
import { decodeShares, encodeSecrets, zeroizeShares } from '../../domain/backup/shares.ts'
import { equalConstantTime, zeroize } from '../../domain/bytes.ts'
import type {
  AdoptAnswer,
  AdoptRequest,
  BackupKeyRefusal,
  ChainEnd,
  LedgerStanding,
  LedgerState,
  RefeedAnswer,
  RestoreAnswer,
  RestoreOffer,
  RestoreRequest,
  SealSharesAnswer,
} from '../../domain/contracts/durable-objects.ts'
import type { AuditRowId, TenantId } from '../../domain/contracts/ids.ts'
import { generateHpkeKeyPair } from '../../domain/hpke.ts'
import { failure, type Result } from '../../domain/result.ts'
import { sqlStateOf } from '../../workers/runtime/database.ts'
import type { BackupKey } from '../backup-key.ts'
import { fromBlob } from '../columns.ts'
import { findDisagreement, type StoredHead } from './agreement.ts'
import type { Book } from './book.ts'
import type { Ledger } from './ledger.ts'
import type { RepairStore } from './platform.ts'
import { type RefeedRequest, refeedPage } from './refeed.ts'
import type { LedgerColumns } from './tables.ts'

/** From the offer to the shares under it the operator's command needs seconds. */
const OFFER_MS = 5 * 60_000

type Offer = { readonly id: string; readonly privateKey: Uint8Array; readonly at: number }

export type RecoveryParts = {
  readonly backupKey: () => Result<BackupKey, BackupKeyRefusal>
  readonly connect: () => RepairStore
}

/** What an operator does about a ledger that was lost, or lost history. Writes are single synchronous turns of the book. */
export class Recovery {
  readonly #ledger: Ledger
  readonly #parts: RecoveryParts
  /** In memory alone: the private half of an offer never touches a disk, and ends with the object at the latest. */
  #offer: Offer | null = null

  constructor(ledger: Ledger, parts: RecoveryParts) {
    this.#ledger = ledger
    this.#parts = parts
  }

  get #book(): Book {
    return this.#ledger.book
  }

  async sealShares(rowId: AuditRowId, backupId: string): Promise<SealSharesAnswer> {
    const key = this.#parts.backupKey()
    if (!key.ok) return key
    const [ledger, birthHash] = [this.#book.ledger(), this.#book.birthHash()]
    if (ledger === null || birthHash === null) return failure('ledger_lost')
    if (this.#book.restored.unproven) return failure('ledger_unproven')
    if (this.#book.rowOf(rowId) === null) return failure('row_unknown')
    const shares = { audit: fromBlob(ledger.audit_share), release: fromBlob(ledger.release_share) }
    const plaintext = encodeSecrets({ shares, seq: ledger.seq, hash: fromBlob(ledger.hash), birthHash })
    const context = { purpose: 'tenant-shares', tenantId: ledger.tenant_id, backupId } as const
    try {
      const sealed = await sealForBackup({ publicKey: key.value.publicKey, context, plaintext })
      return { ok: true, sealed, keyId: key.value.keyId }
    } finally {
      zeroize(plaintext)
      zeroizeShares(shares)
    }
  }

  async offer(at: number): Promise<RestoreOffer> {
    if (!this.#book.restored.mayTake(this.#book.ledger())) return failure('ledger_live')
    const { publicKey, privateKey } = await generateHpkeKeyPair()
    this.#dropOffer()
    this.#offer = { id: crypto.randomUUID(), privateKey, at }
    return { ok: true, offerId: this.#offer.id, publicKey }
  }

  async restore(request: RestoreRequest): Promise<RestoreAnswer> {
    const plaintext = await this.#openOffered(request)
    if (!plaintext.ok) return plaintext
    const shares = decodeShares(plaintext.value)
    zeroize(plaintext.value)
    if (!shares.ok) return failure('not_openable')
    try {
      const stored = await this.#ask((store) => store.newestRow(request.tenantId))
      if (!isEnd(stored, request.end)) return failure('head_moved')
      if (request.end.seq < this.#book.seenInPostgres()) return failure('postgres_behind')
      return await this.#ledger.write(() => {
        const ledger = this.#book.ledger()
        if (!this.#book.restored.mayTake(ledger)) return failure('ledger_live')
        // An unproven ledger that has appended nothing has no place of its own yet; one that has must be where Postgres is.
        if (ledger !== null && this.#book.keepsRows() && !isEnd(placeOf(ledger), request.end))
          return failure('head_moved')
        this.#book.restored.take(request, shares.value)
        return { ok: true } as const
      })
    } finally {
      zeroizeShares(shares.value)
    }
  }

  /** Good for one try, whatever comes of it. */
  async #openOffered({ tenantId, offerId, sealed, at }: RestoreRequest) {
    const offer = this.#offer
    if (offer === null || offer.id !== offerId) return failure('offer_unknown')
    this.#offer = null
    try {
      if (at < offer.at || at - offer.at > OFFER_MS) return failure('offer_unknown')
      const context = { purpose: 'restored-shares', tenantId, offerId } as const
      return await openFromBackup({ privateKey: offer.privateKey, context, sealed })
    } finally {
      zeroize(offer.privateKey)
    }
  }

  #dropOffer(): void {
    if (this.#offer !== null) zeroize(this.#offer.privateKey)
    this.#offer = null
  }

  conclude(proofRow: AuditRowId): Promise<boolean> {
    return this.#ledger.write(() => this.#book.restored.conclude(proofRow))
  }

  async refeed(request: RefeedRequest): Promise<RefeedAnswer> {
    return this.#ask((store) => refeedPage(this.#ledger, store, request)).catch((error: unknown) => {
      // Postgres judged, and refused, something that the repair had not foreseen; anything else is an outage.
      if (sqlStateOf(error) === null) return failure('store_unreachable')
      return { ok: false, code: 'refeed_refused', seq: this.#book.head().flushedSeq + 1 } as const
    })
  }

  async adopt(request: AdoptRequest): Promise<AdoptAnswer> {
    const { tenantId, seq, flushedSeq, behind } = this.#book.head()
    if (tenantId === null) return failure('ledger_lost')
    if (!behind) return failure('not_behind')
    const seen = await this.#asked((store) =>
      Promise.all([store.newestRow(tenantId), store.hashesBetween(tenantId, flushedSeq + 1, seq)]),
    )
    if (seen === null) return failure('store_unreachable')
    const [stored, hashes] = seen
    if (!isEnd(stored, request.end)) return failure('head_moved')
    return this.#ledger.write(() => this.#book.adopt(request, (of) => hashes.get(of) ?? null))
  }

  async standing(tenantId: TenantId): Promise<LedgerStanding> {
    const { seq, flushedSeq, frozen } = this.#book.head()
    const keptFrom = this.#book.keptFrom()
    const seen = await this.#asked((store) =>
      Promise.all([
        store.newestRow(tenantId),
        keptFrom === null ? flushedSeq : store.countBetween(tenantId, keptFrom, flushedSeq),
      ]),
    )
    const common = { seq, flushedSeq, frozen }
    if (seen === null) return { ...common, state: 'postgres_unreachable', storedSeq: null, missing: 0 }
    const [stored, count] = seen
    const missing = keptFrom === null ? 0 : Math.max(0, flushedSeq - keptFrom + 1 - count)
    return { ...common, state: this.#stateOf(stored, flushedSeq, missing), storedSeq: stored?.seq ?? null, missing }
  }

  /** `flushedSeq` was taken before Postgres was asked, so that a flush in between raises no alarm. */
  #stateOf(stored: StoredHead, flushedSeq: number, missing: number): LedgerState {
    const { tenantId, seq, behind } = this.#book.head()
    if (tenantId === null) return stored === null ? 'unborn' : 'lost'
    if (this.#book.restored.unproven) return 'unproven'
    if (behind) return 'behind'
    const found = findDisagreement(stored, { seq, flushedSeq, hashOf: (of) => this.#book.hashOf(of) })
    switch (found?.kind) {
      case 'ledger_behind':
        return 'behind'
      case 'audit_row_rewritten':
        return 'row_rewritten'
      case 'audit_rows_gone':
        return 'rows_gone'
      case undefined:
        return missing > 0 ? 'rows_gone' : 'agrees'
    }
  }

  /** Null when Postgres does not answer. */
  async #asked<Value>(question: (store: RepairStore) => Promise<Value>): Promise<Value | null> {
    return this.#ask(question).catch(() => null)
  }

  async #ask<Value>(question: (store: RepairStore) => Promise<Value>): Promise<Value> {
    const store = this.#parts.connect()
    try {
      return await question(store)
    } finally {
      store.close()
    }
  }
}

function placeOf({ seq, hash }: LedgerColumns): StoredHead {
  return { seq, hash: fromBlob(hash) }
}

function isEnd(stored: StoredHead, end: ChainEnd): boolean {
  return stored !== null && stored.seq === end.seq && equalConstantTime(stored.hash, end.hash)
}
