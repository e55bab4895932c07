import { z } from 'zod'
import { TenantId } from '../../domain/contracts/ids.ts'
import { KekRow } from '../../domain/contracts/operator-door.ts'
import type { Result } from '../../domain/result.ts'
import { reach } from './call.ts'
import { askKekVersions } from './ledger.ts'
import type { Visit } from './visit.ts'

export type RowCounts = {
  readonly version: number
  readonly tenantKeys: number
  readonly auditKeys: number
  readonly credentials: number
  readonly total: number
}

const PAGE = 2000
const Counted = z.object({ version: z.int(), tenant_keys: z.int(), audit_keys: z.int(), credentials: z.int() })
const Cursor = z.tuple([TenantId, z.string(), z.string()])

/** How many rows each KEK version wraps, by Postgres's word. */
export function countRows({ sql }: Visit): Promise<Result<RowCounts[], 'store_unreachable'>> {
  return reach('store_unreachable', async () => {
    const rows = await sql`
      select version, sum(tenant_keys)::int as tenant_keys, sum(audit_keys)::int as audit_keys,
        sum(credentials)::int as credentials
      from (
        select kek_version as version, count(*) as tenant_keys, 0 as audit_keys, 0 as credentials
        from flarewatch.tenant_keys group by 1
        union all select kek_version, 0, count(*), 0 from flarewatch.audit_keys group by 1
        union all select kek_version, 0, 0, count(*) from flarewatch.credentials group by 1
      ) counted group by version order by version`
    return rows.map((row) => {
      const { version, tenant_keys: tenantKeys, audit_keys: auditKeys, credentials } = Counted.parse(row)
      return { version, tenantKeys, auditKeys, credentials, total: tenantKeys + auditKeys + credentials }
    })
  })
}

/** Counted, and told to the object that lets no version retire while a row is left. */
export async function noteRowCounts(
  visit: Visit,
): Promise<Result<RowCounts[], 'store_unreachable' | 'ledger_unreachable'>> {
  const counts = await countRows(visit)
  if (!counts.ok) return counts
  const rows = counts.value.map(({ version, total }) => ({ version, rows: total }))
  const noted = await askKekVersions(visit.bindings, (versions) => versions.noteRows(rows, visit.at))
  return noted.ok ? counts : noted
}

/** The rows under a version, one page in order of tenant; `after` is the last page's `next`. */
export function listRows(
  { sql }: Visit,
  version: number,
  after: string | null,
): Promise<Result<{ rows: KekRow[]; next: string | null }, 'store_unreachable'>> {
  return reach('store_unreachable', async () => {
    const [tenant, kind, id] = after === null ? [null, '', ''] : Cursor.parse(after.split(' '))
    const later = tenant === null ? sql`` : sql`where (tenant_id, kind, id) > (${tenant}::uuid, ${kind}, ${id})`
    const found = await sql`
      select tenant_id, kind, id from (
        select tenant_id, 'tenant_key' as kind, version::text as id from flarewatch.tenant_keys where kek_version = ${version}
        union all select tenant_id, 'audit_key', version::text from flarewatch.audit_keys where kek_version = ${version}
        union all select tenant_id, 'credential', id::text from flarewatch.credentials where kek_version = ${version}
      ) wrapped ${later}
      order by tenant_id, kind, id limit ${PAGE}`
    const rows = found.map((row) => KekRow.parse(row))
    const last = rows.length < PAGE ? undefined : rows.at(-1)
    return { rows, next: last === undefined ? null : `${last.tenant_id} ${last.kind} ${last.id}` }
  })
}
