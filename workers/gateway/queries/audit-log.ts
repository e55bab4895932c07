import { z } from 'zod'
import type { ExportedRow } from '../../../domain/audit/export.ts'
import { AuditRowId, type UserId } from '../../../domain/contracts/ids.ts'
import { Role } from '../../../domain/contracts/roles.ts'
import type { Tenancy } from '../with-tenant.ts'

const bytes = z.instanceof(Uint8Array)
const Row = z
  .object({
    seq: z.int(),
    row_id: AuditRowId,
    at: z.date(),
    epoch: z.int(),
    key_version: z.int(),
    previous_hash: bytes,
    actor_tag: bytes,
    action_tag: bytes,
    target_tag: bytes,
    sealed: bytes,
    hash: bytes,
  })
  .transform(
    (row): ExportedRow => ({
      seq: row.seq,
      rowId: row.row_id,
      at: row.at.getTime(),
      epoch: row.epoch,
      keyVersion: row.key_version,
      previousHash: row.previous_hash,
      actorTag: row.actor_tag,
      actionTag: row.action_tag,
      targetTag: row.target_tag,
      sealed: row.sealed,
      hash: row.hash,
    }),
  )

export type Span = { readonly after: number; readonly upTo: number; readonly limit: number }

/** Sealed rows as they are stored, by sequence number: as many as a page holds, so that a log of any length is read in bounds. */
export async function sealedRows({ sql, tenantId }: Tenancy, { after, upTo, limit }: Span): Promise<ExportedRow[]> {
  const rows = await sql`
    select seq, row_id, at, epoch, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash
    from flarewatch.audit_log
    where tenant_id = ${tenantId} and seq > ${after} and seq <= ${upTo}
    order by seq limit ${limit}`
  return z.array(Row).parse(rows)
}

const Leaf = z.object({ seq: z.int(), row_id: AuditRowId, hash: bytes })
export type Leaf = z.output<typeof Leaf>
export type RowName = { readonly seq: number } | { readonly rowId: AuditRowId }

/** What the tree holds of one row. */
export async function leafOf({ sql, tenantId }: Tenancy, row: RowName): Promise<Leaf | null> {
  const named = 'seq' in row ? sql`seq = ${row.seq}` : sql`row_id = ${row.rowId}`
  const [found] = await sql`
    select seq, row_id, hash from flarewatch.audit_log where tenant_id = ${tenantId} and ${named} limit 1`
  return found === undefined ? null : Leaf.parse(found)
}

export async function roleOf({ sql, tenantId }: Tenancy, userId: UserId): Promise<z.output<typeof Role> | null> {
  const [member] = await sql`select role from flarewatch.members where tenant_id = ${tenantId} and user_id = ${userId}`
  return member === undefined ? null : Role.parse(member.role)
}
