import type { AuditLedgerApi, TenantRosterApi } from '../../domain/contracts/durable-objects.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import type { VerifyMessage } from '../../domain/contracts/queues.ts'
import type { Sql } from '../runtime/database.ts'
import type { ReceiptSigner } from './receipt.ts'

export type Instruments = {
  readonly sql: Sql
  readonly bucket: R2Bucket
  readonly ledgerOf: (tenantId: TenantId) => AuditLedgerApi
  readonly roster: TenantRosterApi
  readonly signer: ReceiptSigner
  /** The time that is decided by, and that goes into receipts. */
  readonly at: Date
  readonly limits: Limits
  /** Has the rest done by another invocation. */
  readonly enqueue: (messages: readonly VerifyMessage[], delaySeconds: number) => Promise<void>
}

/** What one step may take. Each is a bound on memory or on the calls that an invocation makes, not a wish. */
export type Limits = {
  /** Rows that are walked before the position is saved. */
  readonly walkedRows: number
  /** Rows that one receipt adds: each 256 of them are a tile, and each tile is a call. */
  readonly signedRows: number
  /** Receipts that are in memory at a time. */
  readonly receipts: number
  /** Steps that a cron takes itself before it leaves the rest to the queue. */
  readonly steps: number
}

/** At 150,000 rows a second a walk of that length takes some seconds of the 300 that an invocation has. */
export const LIMITS: Limits = { walkedRows: 1_000_000, signedRows: 65_536, receipts: 1000, steps: 96 }
