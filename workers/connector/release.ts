import { zeroize } from '../../domain/bytes.ts'
import type {
  ActOutcome,
  ConnectorDoorApi,
  DoorRefusal,
  DoorRefusalCode,
} from '../../domain/contracts/connector-door.ts'
import type { JobId } from '../../domain/contracts/ids.ts'
import { openRecordOrFault, type RecordFault } from '../../domain/envelope/record.ts'
import { Secret } from '../../domain/secret.ts'
import { log } from '../runtime/log.ts'
import type { JobStore, LeasedJob } from './job-store.ts'

export type ReleaseRefusalCode = DoorRefusalCode | 'vault_unreachable' | 'lease_mismatch' | 'record_moved'
export type Opened<Value> =
  | { readonly ok: true; readonly value: Value }
  | {
      readonly ok: false
      readonly code: ReleaseRefusalCode
      readonly retryable: boolean
      /** What the outcome row is told when a key was released; null when none was. `code` hides why a record did not open. */
      readonly told: ReleaseRefusalCode | RecordFault | null
    }

/**
 * The credential's plaintext for the duration of `use` and not longer (V5): the vault releases the subkey of this one
 * record, the record is opened here, and both buffers are zeroed whatever happens.
 */
export async function withCredential<Value>(
  { vault, store }: { readonly vault: ConnectorDoorApi; readonly store: Pick<JobStore, 'leased'> },
  job: LeasedJob,
  use: (secret: Secret) => Promise<Value>,
): Promise<Opened<Value>> {
  const door = await callVault(() => vault.open(job.id))
  if (!door.ok) return { ...door, told: null }
  // A copy of our own: what RPC hands over need not be writable.
  const subkey = Uint8Array.from(door.subkey)
  zeroize(door.subkey)
  try {
    const { tenantId, credentialId, dekVersion } = door
    if (credentialId !== job.credential_id || tenantId !== job.tenant_id) return released('lease_mismatch')
    const sealed = dekVersion === job.dek_version ? job.ciphertext : await movedRecord(store, job, dekVersion)
    if (sealed === null) return { ...released('record_moved'), retryable: true }
    const plaintext = await openAsItIs({ store, job, subkey, context: { tenantId, credentialId, dekVersion }, sealed })
    if (!plaintext.ok) return { ...released('not_openable'), told: plaintext.code }
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

function released<Code extends ReleaseRefusalCode>(code: Code) {
  return { ok: false, code, retryable: false, told: code } as const
}

/** A rotation re-sealed the record between our reading it and the vault's: the key is that of the record as it is now. */
async function movedRecord(
  store: Pick<JobStore, 'leased'>,
  job: LeasedJob,
  dekVersion: number,
): Promise<Uint8Array | null> {
  const now = await store.leased(job.id)
  return now?.dek_version === dekVersion ? now.ciphertext : null
}

/**
 * Where the record that was read does not open, its secret was replaced in between, under the same DEK: the key is then that of
 * the record as it is now.
 */
async function openAsItIs({
  store,
  job,
  ...input
}: Parameters<typeof openRecordOrFault>[0] & { readonly store: Pick<JobStore, 'leased'>; readonly job: LeasedJob }) {
  const opened = await openRecordOrFault(input)
  if (opened.ok) return opened
  const now = await store.leased(job.id)
  if (now === undefined || now.dek_version !== input.context.dekVersion) return opened
  return isSame(now.ciphertext, input.sealed) ? opened : openRecordOrFault({ ...input, sealed: now.ciphertext })
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}

/** The outcome row. Without one the audit log shows "unknown" after ten minutes, which is then the truth. */
export async function settle(vault: ConnectorDoorApi, jobId: JobId, outcome: ActOutcome): Promise<void> {
  const answer = await callVault(() => vault.settle(jobId, outcome))
  if (!answer.ok) log('connector', 'warn', 'settle_failed', { job_id: jobId, code: answer.code })
}

export async function callVault<Answer extends { readonly ok: true }>(
  call: () => Promise<Answer | DoorRefusal>,
): Promise<Answer | { readonly ok: false; readonly code: ReleaseRefusalCode; readonly retryable: boolean }> {
  try {
    return await call()
  } catch {
    return { ok: false, code: 'vault_unreachable', retryable: true }
  }
}
