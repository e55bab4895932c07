import type { TenantId } from '../../domain/contracts/ids.ts'
import { FINDINGS } from '../../domain/findings/kinds.ts'
import type { PlainTransaction } from '../runtime/database.ts'
import type { Look } from './providers/provider.ts'

type Owner = { readonly tenant_id: TenantId; readonly provider: string }

/**
 * A finding that is there already is seen once more; one that is new begins; one of a kind that was seen whole, and not among these, is
 * resolved. A look that is older than what is stored changes nothing.
 */
export async function saveLook(
  sql: PlainTransaction,
  { tenant_id, provider }: Owner,
  { siteId, findings, whole, at }: Look,
): Promise<void> {
  const seenAt = new Date(at)
  const rows = findings.map((finding) => ({ ...finding, level: FINDINGS[finding.kind].level }))
  await sql`
    insert into flarewatch.findings as stored (
      site_id, tenant_id, provider, kind, subject, level, detail, first_seen, last_seen
    )
    select ${siteId}::uuid, ${tenant_id}::uuid, ${provider}, kind, subject, level, detail, ${seenAt}::timestamptz, ${seenAt}::timestamptz
      from jsonb_to_recordset(${sql.json(rows)}::jsonb) as seen (kind text, subject text, level text, detail text)
     where not exists (
       select from flarewatch.findings as past
        where past.site_id = ${siteId} and past.kind = seen.kind and past.subject = seen.subject
          and past.resolved_at >= ${seenAt}
     )
    on conflict (site_id, kind, subject) where resolved_at is null do update
       set level = excluded.level, detail = excluded.detail, last_seen = excluded.last_seen
     where excluded.last_seen >= stored.last_seen`
  await sql`
    update flarewatch.findings set resolved_at = ${seenAt}
     where site_id = ${siteId} and resolved_at is null and last_seen < ${seenAt}
       and kind in (select jsonb_array_elements_text(${sql.json([...whole])}::jsonb))`
}
