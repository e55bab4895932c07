import { bytesToUuid } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Sql } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import type { Finding } from './finding.ts'

/**
 * Raises an incident once; without a tenant where it is about all of them. Its id is drawn from what was found, hashes included: the next run finds the same and adds nothing,
 * while another change at the same place is another incident. What is to be mailed with it belongs into the same transaction.
 */
export async function raiseIncident(sql: Sql, tenantId: TenantId | null, finding: Finding, at: Date): Promise<void> {
  const { kind, seq, detail } = finding
  const id = await incidentId(tenantId, finding)
  await sql.begin(async (transaction) => {
    await transaction`
      insert into flarewatch.incidents (id, tenant_id, kind, seq, part, detail, at)
      values (${id}, ${tenantId}, ${kind}, ${seq}, 'verifier', ${sql.json(detail)}, ${at})
      on conflict do nothing`
  })
  const about = { ...(tenantId === null ? {} : { tenant_id: tenantId }), ...(seq === null ? {} : { seq }) }
  log('verifier', 'error', 'incident', { code: kind, ...about })
}

async function incidentId(tenantId: TenantId | null, { kind, seq, detail }: Finding): Promise<string> {
  const text = JSON.stringify([tenantId, kind, seq, Object.entries(detail).sort()])
  const id = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))).subarray(0, 16)
  // RFC 9562 section 5.8: a UUID of version 8 is free in all bits but these.
  id[6] = ((id[6] ?? 0) & 0x0f) | 0x80
  id[8] = ((id[8] ?? 0) & 0x3f) | 0x80
  return bytesToUuid(id)
}
