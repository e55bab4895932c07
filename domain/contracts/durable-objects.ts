import type { AuditRow, SealedRow } from '../audit/row.ts'
import type { AuditRowId, SessionId, TenantId } from './ids.ts'
import type { Provider } from './providers.ts'
import type { KeyInventory } from './shredding.ts'

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
  /** Both shares, sealed by the ledger itself to the backup key, for a row of its chain that tells of it. */
  sealShares(request: { readonly rowId: AuditRowId; readonly backupId: string }): Promise<SealSharesAnswer>
  /** A one-time key to which the shares of a lost ledger are sealed on their way back. It lives in memory, for minutes. */
  offerRestore(tenantId: TenantId, at: number): Promise<RestoreOffer>
  /** Takes shares back, only where there are none or none that were ever proven. Until they are proven, nothing else is appended. */
  restore(request: RestoreRequest): Promise<RestoreAnswer>
  /** The restored shares opened what they must: from now on this is the tenant's ledger. */
  concludeRestore(proofRow: AuditRowId): Promise<boolean>
  /** Compares with Postgres now. */
  standing(tenantId: TenantId): Promise<LedgerStanding>
  /**
   * Puts rows back that Postgres acknowledged and lost, newest first, from `below` down; `actRow` is the row that says so.
   * At most a page a call.
   */
  refeed(request: { readonly actRow: AuditRowId; readonly below: number }): Promise<RefeedAnswer>
  /** Takes over the chain of Postgres where the ledger lost history, and appends the row that says so, in one step. */
  adopt(request: AdoptRequest): Promise<AdoptAnswer>
  /**
   * The chain's last row and the end of both shares, in one step: from then on there are no releases, no shares and no rows. A second
   * call finds it done, whatever row it brings.
   */
  shred(request: {
    readonly row: SealedRow
    readonly at: number
    readonly inventory: KeyInventory
  }): Promise<ShredAnswer>
  /** Null while the tenant lives. */
  shredding(): Promise<Shredding | null>
}
export type Shredding = {
  /** The last row. */
  readonly seq: number
  readonly hash: Uint8Array
  readonly at: number
  /** `shareCheckValue` of the two shares that were destroyed. */
  readonly releaseShare: Uint8Array
  readonly auditShare: Uint8Array
  readonly inventory: KeyInventory
}
export type ShredAnswer =
  | ({ readonly ok: true } & Shredding)
  | { readonly ok: false; readonly code: Extract<AppendAnswer, { ok: false }>['code'] }
export type AuditShareAnswer =
  | { readonly ok: true; readonly share: Uint8Array }
  | { readonly ok: false; readonly code: 'ledger_lost' | 'tenant_mismatch' | 'tenant_shredded' }

/** The end of a tenant's chain as Postgres has it. */
export type ChainEnd = { readonly seq: number; readonly hash: Uint8Array; readonly epoch: number; readonly at: number }

export type SealSharesAnswer =
  | { readonly ok: true; readonly sealed: Uint8Array; readonly keyId: string }
  | { readonly ok: false; readonly code: BackupKeyRefusal | 'ledger_lost' | 'ledger_unproven' | 'row_unknown' }
export type BackupKeyRefusal = 'backup_key_missing' | 'backup_key_malformed'

export type RestoreOffer =
  | { readonly ok: true; readonly offerId: string; readonly publicKey: Uint8Array }
  | { readonly ok: false; readonly code: 'ledger_live' | 'tenant_mismatch' }
export type RestoreRequest = {
  readonly tenantId: TenantId
  readonly offerId: string
  /** Both shares under the offer's key. */
  readonly sealed: Uint8Array
  readonly birthHash: Uint8Array
  /** Where the chain goes on: what Postgres holds, verified. Compared once more with Postgres. */
  readonly end: ChainEnd
  /** The one row, with its outcome, that may be appended before the shares are proven. */
  readonly proofRow: AuditRowId
  readonly outcomeRow: AuditRowId
  readonly at: number
}
export type RestoreAnswer =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly code:
        | 'ledger_live'
        | 'tenant_mismatch'
        | 'offer_unknown'
        | 'not_openable'
        | 'head_moved'
        | 'postgres_behind'
    }

export type LedgerState =
  /** Neither side has a row. */
  | 'unborn'
  /** Postgres has rows of the tenant and the ledger has nothing: its shares are gone. */
  | 'lost'
  /** Shares were restored and have not opened anything yet. */
  | 'unproven'
  /** Postgres has rows that the ledger does not have. */
  | 'behind'
  | 'rows_gone'
  | 'row_rewritten'
  | 'postgres_unreachable'
  /** Rows that wait for Postgres are no disagreement. */
  | 'agrees'
export type LedgerStanding = {
  readonly state: LedgerState
  readonly seq: number
  readonly flushedSeq: number
  readonly frozen: boolean
  /** The newest row that Postgres shows; null when it shows none or was not reached. */
  readonly storedSeq: number | null
  /** Acknowledged rows that the ledger keeps and Postgres lacks: what `refeed` can put back. */
  readonly missing: number
}

export type RefeedAnswer =
  | {
      readonly ok: true
      readonly refed: number
      /** Where the next page begins; null when the ledger keeps no older row. */
      readonly below: number | null
    }
  | {
      readonly ok: false
      readonly code: 'ledger_behind' | 'ledger_unproven' | 'row_unknown' | 'store_unreachable'
    }
  /** Postgres was reached and did not take the row: what is left there does not name it. */
  | { readonly ok: false; readonly code: 'refeed_refused'; readonly seq: number }

export type AdoptRequest = { readonly row: SealedRow; readonly at: number; readonly end: ChainEnd }
export type AdoptAnswer =
  | (Appended & {
      readonly ok: true
      /** Rows of the ledger that Postgres never had: they follow the act under new numbers, as they were sealed. */
      readonly carried: number
    })
  | {
      readonly ok: false
      readonly code:
        | 'ledger_lost'
        | 'ledger_unproven'
        | 'not_behind'
        | 'postgres_behind'
        | 'head_moved'
        | 'store_unreachable'
        | 'row_conflict'
    }

export type Door = 'edge' | 'connector' | 'gateway' | 'operator'
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
  | {
      readonly ok: false
      readonly code:
        | 'ledger_behind'
        | 'ledger_full'
        | 'ledger_lost'
        | 'ledger_unproven'
        | 'row_conflict'
        | 'tenant_mismatch'
        | 'tenant_shredded'
    }

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
  /** A tenant that was deleted stays on the roster, and is known as such for good. */
  markDeleted(tenantId: TenantId, at: number): Promise<{ readonly ok: boolean }>
  list(cursor: number | null): Promise<{ readonly entries: readonly RosterEntry[]; readonly next: number | null }>
  /** Which backup key this host seals to. */
  backupKey(): Promise<
    | { readonly ok: true; readonly keyId: string; readonly publicKey: Uint8Array }
    | { readonly ok: false; readonly code: BackupKeyRefusal }
  >
}
export type RosterEntry = {
  readonly tenantId: TenantId
  readonly firstHash: Uint8Array
  readonly at: number
  /** When its keys were destroyed; null while it lives. */
  readonly deletedAt: number | null
}
export type RosterAnswer = { readonly ok: true } | { readonly ok: false; readonly code: 'roster_conflict' }

/** `StepUpTokens`, one a user: `idFromName(userId)`; and one each for the `jti`s of the Edge service and of the operator. */
export const SERVICE_JTI_NAME = 'service-jti'
export const OPERATOR_JTI_NAME = 'operator-jti'
export type StepUpBinding = {
  readonly sessionId: SessionId
  readonly tenantId: TenantId
  readonly action: string
  readonly targetId: string
  /** SHA-256 of the request, base64url. */
  readonly requestDigest: string
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
  /** One atomic step. Whatever it is presented for, a token dies of it, and every misuse is answered alike. */
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
  /** Takes `cost` calls from the bucket of the provider's size and leaves `reserved` in it, or says how long to wait. */
  acquire(request: {
    readonly provider: Provider
    readonly cost: number
    readonly reserved: number
    readonly at: number
  }): Promise<{ readonly ok: true } | { readonly ok: false; readonly waitMs: number }>
  /** The provider told us to wait: nothing is given before `until`. */
  blockUntil(request: { readonly provider: Provider; readonly until: number }): Promise<void>
}
