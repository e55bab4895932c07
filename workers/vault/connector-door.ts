import { zeroize } from '../../domain/bytes.ts'
import type {
  ActOutcome,
  DoorRefusal,
  DoorRefusalCode,
  OpenedCredential,
} from '../../domain/contracts/connector-door.ts'
import type { JobId } from '../../domain/contracts/ids.ts'
import { deriveSubkey, SALT_BYTES } from '../../domain/envelope/record.ts'
import { failure, success } from '../../domain/result.ts'
import { log } from '../runtime/log.ts'
import { appendOutcome } from './audit-append.ts'
import { PART } from './call.ts'
import { type Job, keepIntent, noteJobIncident, readJob, readSealedDek, type SealedDek } from './jobs.ts'
import { release, type Unlocked } from './release.ts'
import { rpcRefusal } from './rpc-refusal.ts'
import type { Visit } from './visit.ts'

const ACTOR = 'connector'

/** Opens the credential of a leased job. Tenant and target are the job row's; the caller names neither. */
export async function openForJob(visit: Visit, jobId: JobId): Promise<OpenedCredential | DoorRefusal> {
  const leased = await leasedJob(visit, jobId)
  if (!leased.ok) return leased
  const { job, sealed } = leased
  const act = {
    door: 'connector',
    tenantId: job.tenant_id,
    actor: ACTOR,
    action: 'credential.open',
    target: `credential:${job.credential_id}`,
    detail: { job: jobId },
  } as const
  const released = await release(visit, act, (unlocked) => openingSubkey(unlocked, job, sealed))
  if (!released.ok) return refusal(jobId, rpcRefusal(released.code), released.code)
  const { opened: subkey, intentRow } = released.value
  const kept = await keepIntent(visit, jobId, intentRow)
  if (!kept.ok) {
    zeroize(subkey)
    await appendOutcome(visit, { ...act, rowId: intentRow }, { succeeded: false, code: kept.code })
    return refusal(jobId, kept.code)
  }
  log(PART, 'info', 'credential_opened', { job_id: jobId, tenant_id: job.tenant_id, row_id: intentRow })
  return {
    ok: true,
    tenantId: job.tenant_id,
    credentialId: job.credential_id,
    dekVersion: sealed.dek_version,
    subkey,
    intentRow,
  }
}

/** The outcome row. It needs no lease: an act that outlived its lease still ended somehow. */
export async function settleJob(
  visit: Visit,
  jobId: JobId,
  outcome: ActOutcome,
): Promise<{ readonly ok: true } | DoorRefusal> {
  const job = await readJob(visit, jobId)
  if (!job.ok) return refusal(jobId, job.code)
  if (job.value === null || job.value.intent_row === null) return refusal(jobId, 'job_not_leased')
  const { tenant_id: tenantId, credential_id, intent_row: rowId } = job.value
  const intent = { tenantId, actor: ACTOR, target: `credential:${credential_id}`, rowId } as const
  const told = await appendOutcome(visit, intent, outcome)
  return told.ok ? { ok: true } : refusal(jobId, rpcRefusal(told.code))
}

async function leasedJob(
  visit: Visit,
  jobId: JobId,
): Promise<{ readonly ok: true; readonly job: Job; readonly sealed: SealedDek } | DoorRefusal> {
  const found = await readJob(visit, jobId)
  if (!found.ok) return refusal(jobId, found.code)
  const { value: job } = found
  if (job === null) {
    await noteJobIncident(visit, 'job_unknown', { jobId, tenantId: null })
    return refusal(jobId, 'job_not_leased')
  }
  // A finished job whose message comes again is what a queue does; it is refused without an alarm.
  const leased = job.state === 'leased' && job.lease_until !== null && job.lease_until.getTime() > visit.at
  if (!leased) return refusal(jobId, 'job_not_leased')
  const sealed = await readSealedDek(visit, job)
  if (!sealed.ok) return refusal(jobId, sealed.code)
  if (sealed.value === null) {
    await noteJobIncident(visit, 'job_credential_mismatch', { jobId, tenantId: job.tenant_id })
    return refusal(jobId, 'job_not_leased')
  }
  return { ok: true, job, sealed: sealed.value }
}

async function openingSubkey(
  { unwrap }: Unlocked,
  { tenant_id: tenantId, credential_id: credentialId }: Job,
  { kek_version, wrapped_dek, dek_version, salt }: SealedDek,
) {
  const wrapContext = { purpose: 'credential-dek', tenantId, credentialId, keyVersion: dek_version } as const
  const dek = await unwrap(wrapContext, { kekVersion: kek_version, wrapped: wrapped_dek })
  if (!dek.ok) return dek
  try {
    if (salt.length !== SALT_BYTES) return failure('not_openable')
    return success(
      await deriveSubkey({ dek: dek.value, salt, context: { tenantId, credentialId, dekVersion: dek_version } }),
    )
  } finally {
    zeroize(dek.value)
  }
}

/** Whether waiting can help. A frozen tenant or a wrong key is for people to mend. */
const RETRYABLE: Record<DoorRefusalCode, boolean> = {
  job_not_leased: false,
  tenant_frozen: false,
  budget_exceeded: false,
  ledger_unreachable: true,
  ledger_refused: false,
  store_unreachable: true,
  not_openable: false,
}

/** Refusals of the whole vault, not of this credential: a job need not die of a key that an operator is about to mend. */
const MENDABLE: ReadonlySet<string> = new Set([
  'kek_missing',
  'kek_malformed',
  'kek_demo',
  'kek_mismatch',
  'kek_version_unknown',
  'kek_denied',
])

function refusal(jobId: JobId, code: DoorRefusalCode, cause: string = code): DoorRefusal {
  log(PART, 'warn', 'connector_door', { job_id: jobId, code })
  return { ok: false, code, retryable: RETRYABLE[code] || MENDABLE.has(cause) }
}
