import { zeroize } from '../../domain/bytes.ts'
import type {
  ActOutcome,
  ConnectorDoorApi,
  DoorRefusal,
  DoorRefusalCode,
} from '../../domain/contracts/connector-door.ts'
import type { JobId } from '../../domain/contracts/ids.ts'
import { openRecord } from '../../domain/envelope/record.ts'
import { Secret } from '../../domain/secret.ts'
import { log } from '../runtime/log.ts'
import type { LeasedJob } from './job-store.ts'

export type ReleaseRefusalCode = DoorRefusalCode | 'vault_unreachable' | 'lease_mismatch'
export type Opened<Value> =
  | { readonly ok: true; readonly value: Value }
  /** `opened`: a key was released, so an outcome row has to follow. */
  | { readonly ok: false; readonly code: ReleaseRefusalCode; readonly retryable: boolean; readonly opened: boolean }

/**
 * The credential's plaintext for the duration of `use` and not longer (V5): the vault releases the subkey of this one
 * record, the record is opened here, and both buffers are zeroed whatever happens.
 */
export async function withCredential<Value>(
  vault: ConnectorDoorApi,
  job: LeasedJob,
  use: (secret: Secret) => Promise<Value>,
): Promise<Opened<Value>> {
  const door = await callVault(() => vault.open(job.id))
  if (!door.ok) return { ...door, opened: false }
  // A copy of our own: what RPC hands over need not be writable.
  const subkey = Uint8Array.from(door.subkey)
  zeroize(door.subkey)
  try {
    if (door.credentialId !== job.credential_id || door.tenantId !== job.tenant_id) {
      return { ok: false, code: 'lease_mismatch', retryable: false, opened: true }
    }
    const context = { tenantId: job.tenant_id, credentialId: job.credential_id, dekVersion: door.dekVersion }
    const plaintext = await openRecord({ subkey, context, sealed: job.ciphertext })
    if (!plaintext.ok) return { ok: false, code: 'not_openable', retryable: false, opened: true }
    const secret = Secret.fromBytes(plaintext.value)
    try {
      return { ok: true, value: await use(secret) }
    } finally {
      secret.zeroize()
    }
  } finally {
    zeroize(subkey)
  }
}

/** The outcome row. Without one the audit log shows "unknown" after ten minutes, which is then the truth. */
export async function settle(vault: ConnectorDoorApi, jobId: JobId, outcome: ActOutcome): Promise<void> {
  const answer = await callVault(() => vault.settle(jobId, outcome))
  if (!answer.ok) log('connector', 'warn', 'settle_failed', { job_id: jobId, code: answer.code })
}

async function callVault<Answer extends { readonly ok: true }>(
  call: () => Promise<Answer | DoorRefusal>,
): Promise<Answer | { readonly ok: false; readonly code: ReleaseRefusalCode; readonly retryable: boolean }> {
  try {
    return await call()
  } catch {
    return { ok: false, code: 'vault_unreachable', retryable: true }
  }
}
