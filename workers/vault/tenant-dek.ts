import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Result } from '../../domain/result.ts'
import { reach } from './call.ts'
import type { Wrap } from './release.ts'
import type { Visit } from './visit.ts'

export type TenantDek = Wrap & { readonly version: number }

/** The newest wrap of a tenant's DEK; null while the tenant is being born. */
export function readTenantDek(
  { sql }: Visit,
  tenantId: TenantId,
): Promise<Result<TenantDek | null, 'store_unreachable'>> {
  const read = async () => {
    const [row] = await sql<{ version: number; kek_version: number; wrapped_dek: Uint8Array }[]>`
      select version, kek_version, wrapped_dek from flarewatch.tenant_keys
      where tenant_id = ${tenantId} order by version desc limit 1`
    return row === undefined ? null : { version: row.version, kekVersion: row.kek_version, wrapped: row.wrapped_dek }
  }
  return reach('store_unreachable', read, { tenant_id: tenantId })
}
