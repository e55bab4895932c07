import { z } from 'zod'
import { AuditRowId, CredentialId, type JobId, TenantId } from '../../domain/contracts/ids.ts'
import type { Result } from '../../domain/result.ts'
import { reach } from './call.ts'
import type { Visit } from './visit.ts'

const Job = z.object({
  tenant_id: TenantId,
  credential_id: CredentialId,
  kind: z.enum(['poll', 'reseal', 'backfill']),
  state: z.string(),
  lease_until: z.date().nullable(),
  intent_row: AuditRowId.nullable(),
})
export type Job = z.infer<typeof Job>

const SealedDek = z.object({
  kek_version: z.int(),
  wrapped_dek: z.instanceof(Uint8Array),
  dek_version: z.int(),
  /** Whether the tenant has that version: a row that names another was changed. */
  dek_known: z.boolean(),
  salt: z.instanceof(Uint8Array),
  /** What a provider signs with, and is never asked with. */
  signs_webhooks: z.boolean(),
})
export type SealedDek = z.infer<typeof SealedDek>

export function readJob({ sql }: Visit, jobId: JobId): Promise<Result<Job | null, 'store_unreachable'>> {
  const read = async () => {
    const [row] = await sql`
      select tenant_id, credential_id, kind, state, lease_until, intent_row from flarewatch.jobs where id = ${jobId}`
    return row === undefined ? null : Job.parse(row)
  }
  return reach('store_unreachable', read, { job_id: jobId })
}

/** The credential by tenant and id: a job that names another tenant's finds nothing, nor does one of a credential that is deleted. */
export function readSealedDek(
  { sql }: Visit,
  { tenant_id, credential_id }: Pick<Job, 'tenant_id' | 'credential_id'>,
): Promise<Result<SealedDek | null, 'store_unreachable'>> {
  const read = async () => {
    const [row] = await sql`
      select c.kek_version, c.wrapped_dek, c.dek_version, c.salt, k.version is not null as dek_known,
        c.webhook_of is not null as signs_webhooks
      from flarewatch.credentials c
        left join flarewatch.tenant_keys k on k.tenant_id = c.tenant_id and k.version = c.dek_version
      where c.tenant_id = ${tenant_id} and c.id = ${credential_id} and c.salt is not null`
    return row === undefined ? null : SealedDek.parse(row)
  }
  return reach('store_unreachable', read, { tenant_id, credential_id })
}

export function keepIntent(
  { sql }: Visit,
  jobId: JobId,
  intentRow: AuditRowId,
): Promise<Result<unknown, 'store_unreachable'>> {
  const keep = async () => {
    const { count } = await sql`update flarewatch.jobs set intent_row = ${intentRow} where id = ${jobId}`
    if (count !== 1) throw new Error('the job is gone')
  }
  return reach('store_unreachable', keep, { job_id: jobId })
}

/** A job id that fits no lease is refused, and where nothing innocent explains it, recorded. */
export function noteJobIncident(
  { sql, at }: Visit,
  kind: 'job_unknown' | 'job_credential_mismatch',
  { jobId, tenantId }: { readonly jobId: JobId; readonly tenantId: TenantId | null },
): Promise<Result<unknown, 'store_unreachable'>> {
  const note = async () => {
    await sql`insert into flarewatch.incidents (id, tenant_id, kind, seq, part, detail, at)
      values (${crypto.randomUUID()}, ${tenantId}, ${kind}, null, 'vault', ${sql.json({ job: jobId })}, ${new Date(at)})`
  }
  return reach('store_unreachable', note, { job_id: jobId })
}
