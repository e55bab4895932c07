import { z } from 'zod'
import { FindingKind, FindingLevel } from '../../../domain/contracts/api.ts'
import type { SiteId } from '../../../domain/contracts/ids.ts'
import type { Tenancy } from '../with-tenant.ts'
import { instant } from './instant.ts'

const MAX_FINDINGS = 500

const Row = z.object({
  kind: FindingKind,
  level: FindingLevel,
  subject: z.string(),
  detail: z.string().nullable(),
  first_seen: instant,
  last_seen: instant,
  resolved_at: instant.nullable(),
})
export type Findings = {
  readonly open: z.output<typeof Row>[]
  readonly resolved: z.output<typeof Row>[]
  readonly more: boolean
}

/** A site's open findings, and those that were resolved since an instant. */
export async function findingsOf({ sql, tenantId }: Tenancy, siteId: SiteId, since: Date): Promise<Findings> {
  const columns = sql`kind, level, subject, detail, first_seen, last_seen, resolved_at`
  const open = await sql`
    select ${columns} from flarewatch.findings
    where tenant_id = ${tenantId} and site_id = ${siteId} and resolved_at is null
    order by array_position(array['error', 'warning', 'info'], level), kind, subject limit ${MAX_FINDINGS + 1}`
  const resolved = await sql`
    select ${columns} from flarewatch.findings
    where tenant_id = ${tenantId} and site_id = ${siteId} and resolved_at >= ${since}
    order by resolved_at desc, kind, subject limit ${MAX_FINDINGS + 1}`
  return {
    open: z.array(Row).parse(open.slice(0, MAX_FINDINGS)),
    resolved: z.array(Row).parse(resolved.slice(0, MAX_FINDINGS)),
    more: open.length > MAX_FINDINGS || resolved.length > MAX_FINDINGS,
  }
}
