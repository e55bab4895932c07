import { equalConstantTime, zeroize } from '../../domain/bytes.ts'
import type { ConnectorDoorApi, ResealKeys } from '../../domain/contracts/connector-door.ts'
import { commitmentOf, openRecordOrFault, type RecordFault, sealRecord } from '../../domain/envelope/record.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import type { RunReason } from '../../domain/runs/words.ts'
import type { JobStore, LeasedJob, ResealedRecord } from './job-store.ts'
import { callVault, settle } from './release.ts'

/** How a try ended. A refused or stale record stays as it was: the scheduler finds it again. */
export type ResealVerdict =
  | { readonly kind: 'resealed' }
  | { readonly kind: 'failed' | 'retry'; readonly code: RunReason }

type ResealFault = RecordFault | 'lease_mismatch' | 'record_moved' | 'key_damaged'

/**
 * One record from its DEK version to the tenant's newest, in this memory alone: what opens and what seals it are lent for one row, the
 * plaintext is nowhere but here, and Postgres swaps record and wrap only if the record is still the one that was opened.
 */
export async function resealJob(
  { vault, store }: { readonly vault: ConnectorDoorApi; readonly store: JobStore },
  job: LeasedJob,
): Promise<ResealVerdict> {
  const keys = await callVault(() => vault.reseal(job.id))
  if (!keys.ok) {
    if (keys.retryable) return { kind: 'retry', code: keys.code }
    // Somebody else carried it over: that is an end, not a failure to wait for.
    const ended =
      keys.code === 'reseal_not_needed'
        ? ({ state: 'done', runState: 'complete' } as const)
        : ({ state: 'failed', runState: 'failed' } as const)
    await store.finishReseal(job, { ...ended, reason: keys.code, ...incidentOf(keys.code) })
    return { kind: 'failed', code: keys.code }
  }
  const resealed = await resealWith(copyOf(keys), job)
  if (resealed.ok && (await store.reseal(job, resealed.value))) {
    await settle(vault, job.id, { succeeded: true, code: 'resealed' })
    return { kind: 'resealed' }
  }
  const code = resealed.ok ? 'record_moved' : resealed.code
  const told = isOpenFault(code) ? 'not_openable' : code
  if (!resealed.ok)
    await store.finishReseal(job, { state: 'failed', runState: 'failed', reason: told, ...incidentOf(told) })
  await settle(vault, job.id, { succeeded: false, code })
  return { kind: 'failed', code: told }
}

/** Copies of our own: what RPC hands over need not be writable. */
function copyOf(keys: ResealKeys): ResealKeys {
  const [opening, sealing] = [Uint8Array.from(keys.from.subkey), Uint8Array.from(keys.to.subkey)]
  zeroize(keys.from.subkey)
  zeroize(keys.to.subkey)
  return { ...keys, from: { ...keys.from, subkey: opening }, to: { ...keys.to, subkey: sealing } }
}

async function resealWith(
  { tenantId, credentialId, from, to }: ResealKeys,
  job: LeasedJob,
): Promise<Result<ResealedRecord, ResealFault>> {
  try {
    if (credentialId !== job.credential_id || tenantId !== job.tenant_id) return failure('lease_mismatch')
    if (from.dekVersion !== job.dek_version) return failure('record_moved')
    const record = { tenantId, credentialId }
    const context = { ...record, dekVersion: from.dekVersion }
    const plaintext = await openRecordOrFault({ subkey: from.subkey, context, sealed: job.ciphertext })
    if (!plaintext.ok) return plaintext
    try {
      const next = { ...record, dekVersion: to.dekVersion }
      const ciphertext = await sealRecord({ subkey: to.subkey, context: next, plaintext: plaintext.value })
      if (!equalConstantTime(commitmentOf(ciphertext), to.commitment)) return failure('key_damaged')
      const { dekVersion, kekVersion, wrappedDek, salt } = to
      return success({ dekVersion, kekVersion, wrappedDek, salt, ciphertext })
    } finally {
      zeroize(plaintext.value)
    }
  } finally {
    zeroize(from.subkey)
    zeroize(to.subkey)
  }
}

function isOpenFault(code: ResealFault): code is RecordFault {
  return code === 'record_malformed' || code === 'record_commitment_mismatch' || code === 'record_altered'
}

/** A record that moved meanwhile is what a swap is for; what does not open, or is not the job's, is for people to see. */
function incidentOf(code: string): { readonly incident?: string } {
  const isOurs = code === 'not_openable' || code === 'lease_mismatch' || code === 'key_damaged'
  return isOurs ? { incident: `credential_${code}` } : {}
}
