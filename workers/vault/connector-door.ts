import { zeroize } from '../../domain/bytes.ts'
import type {
  ActOutcome,
  DoorRefusal,
  DoorRefusalCode,
  OpenedCredential,
  ResealKeys,
} from '../../domain/contracts/connector-door.ts'
import type { JobId } from '../../domain/contracts/ids.ts'
import { commitmentUnder } from '../../domain/envelope/record.ts'
import { type Result, success } from '../../domain/result.ts'
import { log } from '../runtime/log.ts'
import { appendOutcome } from './audit-append.ts'
import { PART } from './call.ts'
import { destroyOldDeks } from './dek-rotation.ts'
import { type Job, keepIntent, noteJobIncident, readJob, readSealedDek, type SealedDek } from './jobs.ts'
import { openingSubkey } from './opening-subkey.ts'
import { type OpenFault, release, type Unlocked } from './release.ts'
import { rpcRefusal } from './rpc-refusal.ts'
import { sealingKeys } from './sealing-keys.ts'
import { readTenantDek, type TenantDek } from './tenant-dek.ts'
import type { Visit } from './visit.ts'

const ACTOR = 'connector'
/** Jobs that ask the provider. */
const READING = ['poll', 'backfill'] as const

/** Opens the credential of a leased job. Tenant and target are the job row's; the caller names neither. */
export async function openForJob(visit: Visit, jobId: JobId): Promise<OpenedCredential | DoorRefusal> {
  const leased = await leasedJob(visit, jobId, READING)
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
  const kept = await keepIntentOf(visit, jobId, { ...act, rowId: intentRow })
  if (kept !== null) {
    zeroize(subkey)
    return kept
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

/** Lends what carries a leased job's record over to the tenant's newest DEK. The plaintext never comes here (ADR-0006). */
export async function resealForJob(visit: Visit, jobId: JobId): Promise<ResealKeys | DoorRefusal> {
  const leased = await leasedJob(visit, jobId, ['reseal'])
  if (!leased.ok) return leased
  const { job, sealed } = leased
  const { tenant_id: tenantId, credential_id: credentialId } = job
  const newest = await readTenantDek(visit, tenantId)
  if (!newest.ok) return refusal(jobId, newest.code)
  const { value: tenantDek } = newest
  if (tenantDek === null || tenantDek.version === sealed.dek_version) return refusal(jobId, 'reseal_not_needed')
  const act = {
    door: 'connector',
    tenantId,
    actor: ACTOR,
    action: 'credential.reseal',
    target: `credential:${credentialId}`,
    detail: { job: jobId, from: String(sealed.dek_version), to: String(tenantDek.version) },
  } as const
  const released = await release(visit, act, (unlocked) => resealingKeys(unlocked, job, sealed, tenantDek))
  if (!released.ok) return refusal(jobId, rpcRefusal(released.code), released.code)
  const { opened, intentRow } = released.value
  const kept = await keepIntentOf(visit, jobId, { ...act, rowId: intentRow })
  if (kept !== null) {
    zeroize(opened.from.subkey)
    zeroize(opened.to.subkey)
    return kept
  }
  log(PART, 'info', 'credential_reseal', { job_id: jobId, tenant_id: tenantId, row_id: intentRow })
  return { ok: true, tenantId, credentialId, ...opened, intentRow }
}

/** Null once the job names its intent; else the refusal, with the outcome told: without that name no outcome could follow. */
async function keepIntentOf(
  visit: Visit,
  jobId: JobId,
  intent: Parameters<typeof appendOutcome>[1],
): Promise<DoorRefusal | null> {
  const kept = await keepIntent(visit, jobId, intent.rowId)
  if (kept.ok) return null
  await appendOutcome(visit, intent, { succeeded: false, code: kept.code })
  return refusal(jobId, kept.code)
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
  const { tenant_id: tenantId, credential_id, intent_row: rowId, kind } = job.value
  const intent = { tenantId, actor: ACTOR, target: `credential:${credential_id}`, rowId } as const
  const told = await appendOutcome(visit, intent, outcome)
  if (!told.ok) return refusal(jobId, rpcRefusal(told.code))
  // The last record of a rotation ends it; where that fails, the operator's next look does.
  if (kind === 'reseal' && outcome.succeeded) await destroyOldDeks(visit, tenantId, ACTOR)
  return { ok: true }
}

/** With what opens its credential. What fits no lease is refused, and recorded where nothing innocent explains it. */
export async function leasedJob(
  visit: Visit,
  jobId: JobId,
  kinds: readonly Job['kind'][],
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
  if (!leased || !kinds.includes(job.kind)) return refusal(jobId, 'job_not_leased')
  const sealed = await readSealedDek(visit, job)
  if (!sealed.ok) return refusal(jobId, sealed.code)
  if (sealed.value === null) {
    await noteJobIncident(visit, 'job_credential_mismatch', { jobId, tenantId: job.tenant_id })
    return refusal(jobId, 'job_not_leased')
  }
  return { ok: true, job, sealed: sealed.value }
}

async function resealingKeys(
  unlocked: Unlocked,
  job: Job,
  sealed: SealedDek,
  tenantDek: TenantDek,
): Promise<Result<Pick<ResealKeys, 'from' | 'to'>, OpenFault>> {
  const to = await sealingKeys(unlocked, tenantDek, { tenantId: job.tenant_id, credentialId: job.credential_id })
  if (!to.ok) return to
  const from = await openingSubkey(unlocked, job, sealed)
  if (!from.ok) {
    zeroize(to.value.subkey)
    return from
  }
  const commitment = await commitmentUnder(to.value.subkey)
  return success({ from: { dekVersion: sealed.dek_version, subkey: from.value }, to: { ...to.value, commitment } })
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
  reseal_not_needed: false,
  event_not_waiting: false,
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

export function refusal(jobId: JobId, code: DoorRefusalCode, cause: string = code): DoorRefusal {
  log(PART, 'warn', 'connector_door', { job_id: jobId, code })
  return { ok: false, code, retryable: RETRYABLE[code] || MENDABLE.has(cause) }
}
