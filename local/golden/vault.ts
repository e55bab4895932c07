import { randomUUID } from 'node:crypto'
import type { ConnectorDoorApi, DoorRefusal, OpenedCredential } from '../../domain/contracts/connector-door.ts'
import { AuditRowId, CredentialId, type TenantId } from '../../domain/contracts/ids.ts'

export type KeptKey = { readonly credentialId: CredentialId; readonly tenantId: TenantId; readonly subkey: Uint8Array }

/** The vault's part of a poll, in the same process: it hands a record's subkey to a leased job. It writes no row of the audit log. */
export class GoldenVault implements ConnectorDoorApi {
  readonly #keys = new Map<string, KeptKey>()
  readonly #jobs = new Map<string, string>()

  get keys(): readonly KeptKey[] {
    return [...this.#keys.values()]
  }

  keep(key: KeptKey): void {
    this.#keys.set(key.credentialId, key)
  }

  leased(jobId: string, credentialId: string): void {
    this.#jobs.set(jobId, credentialId)
  }

  async open(jobId: string): Promise<OpenedCredential | DoorRefusal> {
    const credentialId = CredentialId.parse(this.#jobs.get(jobId))
    const kept = this.#keys.get(credentialId)
    if (kept === undefined) return { ok: false, code: 'job_not_leased', retryable: false }
    const intentRow = AuditRowId.parse(randomUUID())
    // A copy: the connector zeroes what it was given.
    const subkey = Uint8Array.from(kept.subkey)
    return { ok: true, tenantId: kept.tenantId, credentialId, dekVersion: 1, subkey, intentRow }
  }

  async settle(): Promise<{ readonly ok: true }> {
    return { ok: true }
  }

  async reseal(): Promise<DoorRefusal> {
    return { ok: false, code: 'reseal_not_needed', retryable: false }
  }

  async openEvent(): Promise<DoorRefusal> {
    return { ok: false, code: 'event_not_waiting', retryable: false }
  }

  settleEvent = this.openEvent

  async sealEvents(): Promise<DoorRefusal> {
    return { ok: false, code: 'job_not_leased', retryable: false }
  }
}
