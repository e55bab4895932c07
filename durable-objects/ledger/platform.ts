import type { AuditRow } from '../../domain/audit/row.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import type { StoredHead } from './agreement.ts'
import type { Incident } from './book.ts'

/**
 * All that a ledger touches outside of itself. The Durable Object brings workerd and Postgres; the simulation brings a
 * storage that crashes, a Postgres that fails, and a clock of its own.
 */
export type LedgerPlatform = {
  readonly storage: LedgerStorage
  /** Opens one connection; nothing is sent before the first call. */
  readonly connect: () => AuditStore
  /** Decision time, in Unix milliseconds. */
  readonly clock: () => Promise<number>
  readonly machine: Machine
  /** Keeps the object alive until `work` has ended. */
  readonly waitUntil: (work: Promise<unknown>) => void
}

/** The machine's own time, for pauses and alarms; no decision is made by it. */
export type Machine = { readonly now: () => number; readonly wait: (ms: number) => Promise<unknown> }

/** The part of a Durable Object's storage that a ledger uses. */
export type LedgerStorage = {
  readonly sql: LedgerSql
  readonly transactionSync: <Value>(work: () => Value) => Value
  /** Resolves once everything written before is on disk. */
  readonly sync: () => Promise<void>
  readonly setAlarm: (at: number) => Promise<void>
}
export type LedgerSql = {
  exec<Columns extends Record<string, SqlStorageValue>>(
    query: string,
    ...bindings: (SqlStorageValue | Uint8Array)[]
  ): { toArray(): Columns[]; one(): Columns }
}

/** The second home of the rows. A refusal of the database is thrown as what `sqlStateOf` reads; anything else is an outage. */
export type AuditStore = {
  readonly newestRow: (tenantId: TenantId) => Promise<StoredHead>
  /** All of them or none; rows that are stored already are passed over. */
  readonly addRows: (rows: readonly AuditRow[]) => Promise<void>
  readonly addIncident: (tenantId: TenantId | null, incident: Incident) => Promise<void>
  /** Does not wait. */
  readonly close: () => void
}

/** What an operator's repair needs of Postgres beyond the feed's. */
export type RepairStore = Pick<AuditStore, 'newestRow' | 'addRows' | 'close'> & {
  /** Hashes by place; at a place that has two rows neither counts. */
  readonly hashesBetween: (
    tenantId: TenantId,
    first: number,
    last: number,
  ) => Promise<ReadonlyMap<number, Uint8Array | null>>
  readonly countBetween: (tenantId: TenantId, first: number, last: number) => Promise<number>
  /** False when a row is stored there already. Refused where the chain that is left does not name this row. */
  readonly refeedRow: (act: AuditRow, row: AuditRow) => Promise<boolean>
}
