import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Sql } from '../runtime/database.ts'

/**
 * Queues the tenant's newest stored checkpoint for each of its owners, unless they have it (L2). For the nightly run alone: one
 * checkpoint covers all earlier ones, and a mail every few minutes would be read by nobody.
 */
export async function mailReceipt(sql: Sql, tenantId: TenantId, at: Date): Promise<void> {
  await sql`select flarewatch.mail_receipt(${tenantId}, ${at})`
}
