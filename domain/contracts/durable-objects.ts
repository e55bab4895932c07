import type { AuditRow, SealedRow } from '../audit/row.ts'
import type { AuditRowId, CredentialId, SessionId, TenantId } from './ids.ts'

/** RPC of the Durable Objects. Times are decision times in Unix milliseconds, given by the caller. */

/** `AuditLedger`, one a tenant: `idFromName(tenantId)`. */
export interface AuditLedgerApi {
  /** The share under which the tenant's audit key is wrapped. The first call makes the tenant's ledger and both shares. */
  auditShare(tenantId: TenantId): Promise<AuditShareAnswer>
  append(request: AppendRequest): Promise<AppendAnswer>
  /** 1 to 500 rows in the order in which they are to stand, each judged and answered for by itself, in one call. */
  appendMany(requests: readonly AppendRequest[]): Promise<AppendAnswer[]>
  /** A row that the ledger still keeps (35 days after Postgres acknowledged it). */
  rowOf(rowId: AuditRowId): Promise<AuditRow | null>
  /** Rows `seq >= fromSeq` that the ledger still keeps, oldest first; at most 500. */
  rowsFrom(fromSeq: number, limit: number): Promise<AuditRow[]>
  head(): Promise<LedgerHead>
  freeze(reason: string, at: number): Promise<void>
  unfreeze(): Promise<void>
}
export type AuditShareAnswer =
  | { readonly ok: true; readonly share: Uint8Array }
  | { readonly ok: false; readonly code: 'ledger_behind' | 'tenant_mismatch' }

export type Door = 'edge' | 'connector' | 'gateway'
export type AppendRequest = {
  readonly row: SealedRow
  readonly at: number
  /** Asked by a release: the acknowledgement then carries the tenant's release share, or says why not. */
  readonly release?: { readonly door: Door; readonly budgetPerHour: number }
}
export type Appended = { readonly seq: number; readonly epoch: number; readonly hash: Uint8Array; readonly at: number }
export type AppendAnswer =
  | (Appended & { readonly ok: true; readonly share: Uint8Array | null })
  /** The row is in the chain; the key stays in. */
  | (Appended & { readonly ok: false; readonly code: 'tenant_frozen' | 'budget_exceeded' | 'already_released' })
  /** Nothing was appended. */
  | { readonly ok: false; readonly code: 'ledger_behind' | 'row_conflict' | 'tenant_mismatch' }

export type LedgerHead = {
  /** Null while the ledger is unborn. */
  readonly tenantId: TenantId | null
  /** 0 while the chain is empty; then `hash` is the genesis hash (or empty when unborn) and `epoch` 0. */
  readonly seq: number
  readonly hash: Uint8Array
  readonly epoch: number
  readonly at: number
  /** The newest row that Postgres acknowledged. */
  readonly flushedSeq: number
  readonly frozen: boolean
  readonly behind: boolean
}

/** `TenantRoster`, one: `idFromName('roster')`. */
export const ROSTER_NAME = 'roster'
export interface TenantRosterApi {
  enter(tenantId: TenantId, firstHash: Uint8Array, at: number): Promise<RosterAnswer>
  entryOf(tenantId: TenantId): Promise<RosterEntry | null>
  /** In order of entry, 500 a page; `next` is null on the last page. */
  list(cursor: number | null): Promise<{ readonly entries: readonly RosterEntry[]; readonly next: number | null }>
}
export type RosterEntry = { readonly tenantId: TenantId; readonly firstHash: Uint8Array; readonly at: number }
export type RosterAnswer = { readonly ok: true } | { readonly ok: false; readonly code: 'roster_conflict' }

/** `StepUpTokens`, one a user: `idFromName(userId)`; and one for the Edge service's `jti`s. */
export const SERVICE_JTI_NAME = 'service-jti'
export type StepUpBinding = {
  readonly sessionId: SessionId
  readonly tenantId: TenantId
  readonly credentialId: CredentialId
  readonly action: string
}
export interface StepUpTokensApi {
  claimFreshness(claim: {
    readonly sessionId: SessionId
    readonly totpAt: number
    readonly at: number
  }): Promise<{ readonly ok: true } | { readonly ok: false; readonly code: 'freshness_claimed' }>
  mint(
    request: StepUpBinding & { readonly at: number },
  ): Promise<{ readonly token: string; readonly expiresAt: number }>
  /** Whatever it is presented for, a token dies of it. */
  consume(
    request: StepUpBinding & { readonly token: string; readonly at: number },
  ): Promise<{ readonly ok: true } | { readonly ok: false; readonly code: 'step_up_invalid' }>
  claimJti(claim: {
    readonly jti: string
    readonly exp: number
    readonly at: number
  }): Promise<{ readonly ok: true } | { readonly ok: false; readonly code: 'replayed' | 'expired' }>
}

/** `ProviderLimits`, one a credential: `idFromName(credentialId)`. */
export interface ProviderLimitsApi {
  /** Takes `cost` calls from the bucket, or says how long to wait. */
  acquire(request: {
    readonly cost: number
    readonly at: number
  }): Promise<{ readonly ok: true } | { readonly ok: false; readonly waitMs: number }>
  /** The provider told us to wait: nothing is given before `until`. */
  blockUntil(until: number): Promise<void>
}
