import { z } from 'zod'
import { type TagField, tagOf } from '../../domain/audit/content.ts'
import { AuditOrder, MAX_FILTER_CHARACTERS } from '../../domain/contracts/api.ts'
import type { AuditQuery, GatewayDoorRefusal, UnsealedAudit } from '../../domain/contracts/gateway-door.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import type { Result } from '../../domain/result.ts'
import { withOutcomes } from './act-outcomes.ts'
import { type Actor, appendEvent } from './audit-append.ts'
import { type AuditKeys, withAuditKeys } from './audit-keys.ts'
import { reach } from './call.ts'
import { membershipOf } from './members.ts'
import { rpcRefusal } from './rpc-refusal.ts'
import { STORED_COLUMNS, type StoredRow, unsealedRow } from './unsealed-rows.ts'
import { verifyUser } from './user-token.ts'
import type { Visit } from './visit.ts'

const MAX_ROWS = 200
const filter = z.string().min(1).max(MAX_FILTER_CHARACTERS).nullable()
const Query = z.strictObject({
  tenantId: TenantId,
  afterSeq: z.int().nonnegative(),
  beforeSeq: z.int().nonnegative().nullable(),
  order: AuditOrder,
  actor: filter,
  action: filter,
  target: filter,
  limit: z.int().min(1).max(MAX_ROWS),
})
const Jwt = z.string().max(8192)

type Entry = UnsealedAudit['rows'][number]

/** Audit content for a member at AAL2. The reading is a row itself, in the chain before any content leaves. */
export async function unsealAudit(
  visit: Visit,
  userJwt: string,
  query: AuditQuery,
): Promise<UnsealedAudit | GatewayDoorRefusal> {
  const asked: AuditQuery = Query.parse(query)
  const { tenantId } = asked
  const user = await verifyUser(visit, Jwt.parse(userJwt))
  if (!user.ok) return user
  const { userId, aal } = user.value
  if (aal !== 'aal2') return { ok: false, code: 'aal2_required' }
  const membership = await membershipOf(visit, tenantId, userId)
  if (!membership.ok) return membership
  const [actor, target]: [Actor, string] = [`user:${userId}`, `tenant:${tenantId}`]
  const noted = await appendEvent(visit, { tenantId, actor, action: 'audit.read', target, detail: detailOf(asked) })
  if (!noted.ok) return { ok: false, code: rpcRefusal(noted.code) }

  const read = await withAuditKeys(visit, tenantId, (keys) => readPage(visit, keys, asked))
  if (!read.ok) return { ok: false, code: rpcRefusal(read.code) }
  return read.value.ok ? pageOf(read.value.value, asked) : read.value
}

/** What was asked for, as far as it narrows the reading. */
function detailOf({ afterSeq, beforeSeq, actor, action, target, limit }: AuditQuery): Record<string, string> {
  const narrowing = { before: beforeSeq?.toString() ?? null, actor, action, target }
  const given = Object.entries(narrowing).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]))
  return { after: String(afterSeq), limit: String(limit), ...Object.fromEntries(given) }
}

async function readPage(
  visit: Visit,
  keys: AuditKeys,
  asked: AuditQuery,
): Promise<Result<Entry[], 'store_unreachable'>> {
  const tags = await filterTags(keys, asked)
  const rows = await reach('store_unreachable', () => readRows(visit, asked, tags))
  if (!rows.ok) return rows
  const unsealed = await Promise.all(rows.value.map((row) => unsealedRow(keys, asked.tenantId, row)))
  return reach('store_unreachable', () => withOutcomes(visit, keys, asked.tenantId, unsealed))
}

const TAG_COLUMNS = { actor: 'actor_tag', action: 'action_tag', target: 'target_tag' } as const
type FilterTags = readonly { readonly column: string; readonly tags: readonly Uint8Array[] }[]

/** Rows are found without being opened: by the tag of each value asked for, one for each version of the audit key. */
async function filterTags(keys: AuditKeys, asked: AuditQuery): Promise<FilterTags> {
  const { tenantId } = asked
  const fields: readonly TagField[] = ['actor', 'action', 'target']
  const tagsFor = async (field: TagField, value: string) => ({
    column: TAG_COLUMNS[field],
    tags: await Promise.all(
      keys.all.map(({ version, key }) => tagOf({ auditKey: key, keyVersion: version, tenantId, field, value })),
    ),
  })
  return Promise.all(
    fields.flatMap((field) => {
      const value = asked[field]
      return value === null ? [] : [tagsFor(field, value)]
    }),
  )
}

async function readRows(
  { sql }: Visit,
  { tenantId, afterSeq, beforeSeq, order, limit }: AuditQuery,
  filters: FilterTags,
): Promise<StoredRow[]> {
  const upTo = beforeSeq === null ? sql`` : sql`and seq < ${beforeSeq}`
  const tagged = filters.reduce((where, { column, tags }) => sql`${where} and ${sql(column)} in ${sql(tags)}`, sql``)
  return sql<StoredRow[]>`
    select ${sql(STORED_COLUMNS)} from flarewatch.audit_log
    where tenant_id = ${tenantId} and seq > ${afterSeq} ${upTo} ${tagged}
    order by seq ${order === 'oldest' ? sql`` : sql`desc`} limit ${limit}`
}

/** A page that is not full is the last. */
function pageOf(rows: readonly Entry[], { order, limit }: AuditQuery): UnsealedAudit {
  const next = rows.length < limit ? null : (rows.at(-1)?.seq ?? null)
  return {
    ok: true,
    rows,
    nextAfterSeq: order === 'oldest' ? next : null,
    nextBeforeSeq: order === 'newest' ? next : null,
  }
}
