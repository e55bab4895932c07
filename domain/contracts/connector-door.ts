import type { Delivery } from '../webhooks/delivery.ts'
import type { AuditRowId, CredentialId, JobId, TenantId, WebhookEventId } from './ids.ts'

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
  | 'reseal_not_needed'
  | 'event_not_waiting'

export type OpenedCredential = {
  readonly ok: true
  readonly tenantId: TenantId
  readonly credentialId: CredentialId
  readonly dekVersion: number
  /** 32 bytes: opens this one version of this one record. The caller zeroes it. */
  readonly subkey: Uint8Array
  readonly intentRow: AuditRowId
}

/** What one record is carried over by, from its DEK version to the tenant's newest. The caller zeroes both subkeys. */
export type ResealKeys = {
  readonly ok: true
  readonly tenantId: TenantId
  readonly credentialId: CredentialId
  /** 32 bytes: opens the record as it is. */
  readonly from: { readonly dekVersion: number; readonly subkey: Uint8Array }
  readonly to: {
    readonly dekVersion: number
    readonly kekVersion: number
    /** 60 bytes: the newest DEK, wrapped for this credential. */
    readonly wrappedDek: Uint8Array
    /** 32 bytes. */
    readonly salt: Uint8Array
    /** 32 bytes: seals the new record, and no other. */
    readonly subkey: Uint8Array
    /** 32 bytes that the new record has to commit to: a key that was damaged on its way must not replace a record. */
    readonly commitment: Uint8Array
  }
  readonly intentRow: AuditRowId
}

/** What opens one sealed delivery. The caller zeroes the subkey. */
export type OpenedEvent = {
  readonly ok: true
  readonly tenantId: TenantId
  readonly dekVersion: number
  readonly subkey: Uint8Array
}

/** A delivery as the inbox keeps it. */
export type SealedEvent = {
  readonly eventId: WebhookEventId
  readonly dekVersion: number
  /** 32 bytes. */
  readonly salt: Uint8Array
  readonly ciphertext: Uint8Array
}
/** In the order in which they were given. */
export type SealedEvents = { readonly ok: true; readonly events: readonly SealedEvent[] }
/** Events in one call: with the largest bodies well below what RPC carries. */
export const MAX_GAPS = 50

/** How the act that an opened key was for ended; becomes the outcome row. `code` is a stable word, never provider text. */
export type ActOutcome = { readonly succeeded: boolean; readonly code: string }

/** RPC of the vault for the connector. The actor is the door; tenant and target come from the leased job row. */
export interface ConnectorDoorApi {
  /** For a job of kind `poll`. */
  open(jobId: JobId): Promise<OpenedCredential | DoorRefusal>
  /** For a job of kind `reseal`: one release, and so one row, for both keys. */
  reseal(jobId: JobId): Promise<ResealKeys | DoorRefusal>
  /** For an event that waits in the inbox. */
  openEvent(eventId: WebhookEventId): Promise<OpenedEvent | DoorRefusal>
  settleEvent(eventId: WebhookEventId, outcome: ActOutcome): Promise<{ readonly ok: true } | DoorRefusal>
  /** For a job of kind `poll`: what its account's provider lists and never delivered. */
  sealEvents(jobId: JobId, deliveries: readonly Delivery[]): Promise<SealedEvents | DoorRefusal>
  settle(jobId: JobId, outcome: ActOutcome): Promise<{ readonly ok: true } | DoorRefusal>
}
