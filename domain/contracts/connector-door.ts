import type { AuditRowId, CredentialId, JobId, TenantId } from './ids.ts'

/** Why a door gave no key. `retryable` tells a queue consumer whether waiting can help. */
export type DoorRefusal = { readonly ok: false; readonly code: DoorRefusalCode; readonly retryable: boolean }
export type DoorRefusalCode =
  | 'job_not_leased'
  | 'tenant_frozen'
  | 'budget_exceeded'
  | 'ledger_unreachable'
  | 'ledger_refused'
  | 'store_unreachable'
  | 'not_openable'

export type OpenedCredential = {
  readonly ok: true
  readonly tenantId: TenantId
  readonly credentialId: CredentialId
  readonly dekVersion: number
  /** 32 bytes: opens this one version of this one record. The caller zeroes it. */
  readonly subkey: Uint8Array
  readonly intentRow: AuditRowId
}

/** How the act that an opened key was for ended; becomes the outcome row. `code` is a stable word, never provider text. */
export type ActOutcome = { readonly succeeded: boolean; readonly code: string }

/** RPC of the vault for the connector. The actor is the door; tenant and target come from the leased job row. */
export interface ConnectorDoorApi {
  open(jobId: JobId): Promise<OpenedCredential | DoorRefusal>
  settle(jobId: JobId, outcome: ActOutcome): Promise<{ readonly ok: true } | DoorRefusal>
}
