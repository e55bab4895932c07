import { z } from 'zod'
import { type AuditContent, openContent } from '../../domain/audit/content.ts'
import type { SealedRow } from '../../domain/audit/row.ts'
import { toBase64Url } from '../../domain/bytes.ts'
import type { AuditQuery, GatewayDoorRefusal, UnsealedAudit } from '../../domain/contracts/gateway-door.ts'
import { AuditRowId, TenantId } from '../../domain/contracts/ids.ts'
import { appendEvent } from './audit-append.ts'
import { type AuditKeys, withAuditKeys } from './audit-keys.ts'
import { reach } from './call.ts'
import { membershipOf } from './members.ts'
import { rpcRefusal } from './rpc-refusal.ts'
import { verifyUser } from './user-token.ts'
import type { Visit } from './visit.ts'

const MAX_ROWS = 200
const Query = z.strictObject({
  tenantId: TenantId,
  afterSeq: z.int().nonnegative(),
  limit: z.int().min(1).max(MAX_ROWS),
})
const Jwt = z.string().max(8192)

type StoredRow = {
  seq: number
  row_id: string
  at: Date
  key_version: number
  actor_tag: Uint8Array
  action_tag: Uint8Array
  target_tag: Uint8Array
  sealed: Uint8Array
  hash: Uint8Array
}
type Entry = UnsealedAudit['rows'][number]

/** Audit content for a member at AAL2. The reading is a row itself, in the chain before any content leaves. */
export async function unsealAudit(
  visit: Visit,
  userJwt: string,
  query: AuditQuery,
): Promise<UnsealedAudit | GatewayDoorRefusal> {
  const { tenantId, afterSeq, limit } = Query.parse(query)
  const user = await verifyUser(visit, Jwt.parse(userJwt))
  if (!user.ok) return user
  const { userId, aal } = user.value
  if (aal !== 'aal2') return { ok: false, code: 'aal2_required' }
  const membership = await membershipOf(visit, tenantId, userId)
  if (!membership.ok) return membership
  const detail = { after: String(afterSeq), limit: String(limit) }
  const target = `tenant:${tenantId}`
  const noted = await appendEvent(visit, { tenantId, actor: `user:${userId}`, action: 'audit.read', target, detail })
  if (!noted.ok) return { ok: false, code: rpcRefusal(noted.code) }

  const rows = await reach('store_unreachable', () => readRows(visit, { tenantId, afterSeq, limit }))
  if (!rows.ok) return rows
  const entries = await withAuditKeys(visit, tenantId, (keys) =>
    Promise.all(rows.value.map((row) => unsealed(keys, tenantId, row))),
  )
  if (!entries.ok) return { ok: false, code: rpcRefusal(entries.code) }
  return { ok: true, rows: entries.value, nextAfterSeq: nextOf(entries.value, limit) }
}

async function readRows({ sql }: Visit, { tenantId, afterSeq, limit }: AuditQuery): Promise<StoredRow[]> {
  return sql<StoredRow[]>`
    select seq, row_id, at, key_version, actor_tag, action_tag, target_tag, sealed, hash
    from flarewatch.audit_log
    where tenant_id = ${tenantId} and seq > ${afterSeq}
    order by seq limit ${limit}`
}

/** A row that does not open is shown as such: hiding the log behind one damaged row would serve whoever damaged it. */
async function unsealed(keys: AuditKeys, tenantId: TenantId, stored: StoredRow): Promise<Entry> {
  const row: SealedRow = {
    tenantId,
    rowId: stored.row_id,
    keyVersion: stored.key_version,
    actorTag: stored.actor_tag,
    actionTag: stored.action_tag,
    targetTag: stored.target_tag,
    sealed: stored.sealed,
  }
  const auditKey = keys.ofVersion(stored.key_version)
  const content = auditKey === null ? null : await openContent({ auditKey, row })
  const shown = content?.ok ? content.value : UNOPENABLE
  return {
    seq: stored.seq,
    row_id: AuditRowId.parse(stored.row_id),
    at: stored.at.toISOString(),
    hash: toBase64Url(stored.hash),
    actor: shown.actor,
    action: shown.action,
    target: shown.target,
    detail: shown.detail,
  }
}

const UNOPENABLE: AuditContent = { actor: '', action: 'row.not_openable', target: '', detail: {} }

function nextOf(entries: readonly Entry[], limit: number): number | null {
  return entries.length < limit ? null : (entries.at(-1)?.seq ?? null)
}
