import { z } from 'zod'
import type { PrunedRows } from '../../../domain/contracts/api.ts'
import type { TenantId } from '../../../domain/contracts/ids.ts'
import type { Tenancy } from '../with-tenant.ts'

const Certificate = z.object({ epoch: z.int(), last_seq: z.int(), note: z.string() })
export type StoredCertificate = z.output<typeof Certificate>

/** The certificate behind which the stored rows begin; null while the log is whole. */
export async function pruningCertificate({ sql, tenantId }: Tenancy): Promise<StoredCertificate | null> {
  const [row] = await sql`
    select epoch, last_seq, note from flarewatch.epoch_certificates
    where log = ${tenantId} and not exists (
      select from flarewatch.audit_log
      where audit_log.tenant_id = ${tenantId} and audit_log.seq <= epoch_certificates.last_seq
    )
    order by epoch desc limit 1`
  return row === undefined ? null : Certificate.parse(row)
}

/** Whether a certificate speaks for the row with that number. */
export async function isCertified({ sql, tenantId }: Tenancy, seq: number): Promise<boolean> {
  const [row] = await sql`
    select from flarewatch.epoch_certificates where log = ${tenantId} and ${seq} between first_seq and last_seq limit 1`
  return row !== undefined
}

export function prunedRows(
  { origin }: URL,
  log: TenantId,
  certificate: StoredCertificate | null,
): z.output<typeof PrunedRows> | null {
  if (certificate === null) return null
  const { epoch, last_seq } = certificate
  return { through_seq: last_seq, epoch, url: `${origin}/receipts/${log}/epochs/${epoch}` }
}
