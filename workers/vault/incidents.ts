import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Result } from '../../domain/result.ts'
import { log } from '../runtime/log.ts'
import { PART, reach } from './call.ts'
import type { Visit } from './visit.ts'

export type Incident = {
  readonly kind: string
  readonly seq: number | null
  /** Stable words; never content. */
  readonly detail: Readonly<Record<string, string>>
}

/** Raised in the vault's own name. */
export function raiseIncident(
  { sql, at }: Visit,
  tenantId: TenantId,
  { kind, seq, detail }: Incident,
): Promise<Result<unknown, 'store_unreachable'>> {
  log(PART, 'error', 'incident', { tenant_id: tenantId, code: kind, ...(seq === null ? {} : { seq }) })
  const insert = async () => {
    await sql`insert into flarewatch.incidents (id, tenant_id, kind, seq, part, detail, at)
      values (${crypto.randomUUID()}, ${tenantId}, ${kind}, ${seq}, 'vault', ${sql.json(detail)}, ${new Date(at)})`
  }
  return reach('store_unreachable', insert, { tenant_id: tenantId })
}
