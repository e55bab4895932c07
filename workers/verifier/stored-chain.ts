import { z } from 'zod'
import { type AuditRow, epochOf } from '../../domain/audit/row.ts'
import { AuditRowId, type TenantId } from '../../domain/contracts/ids.ts'
import type { Sql, Transaction } from '../runtime/database.ts'
import { type CopiedRow, CopyDecoder, CopyMalformed } from './copy-rows.ts'

const MICROSECONDS = 1000
const HASH_LENGTH = 32

const hash = z.instanceof(Uint8Array).refine(({ length }) => length === HASH_LENGTH)
/**
 * A row as the chain knows it. The lengths matter: the hash covers the tags side by side, so a byte moved from one to the next
 * would not change it. `at` is read in microseconds, since the hash covers milliseconds only and the column could hide more.
 */
const StoredRow = z.object({
  epoch: z.int().nonnegative(),
  seq: z.int().positive(),
  row_id: AuditRowId,
  at_us: z.int().multipleOf(MICROSECONDS).nonnegative(),
  key_version: z.int().positive(),
  previous_hash: hash,
  actor_tag: hash,
  action_tag: hash,
  target_tag: hash,
  sealed: z.instanceof(Uint8Array),
  hash,
})

/** A stored row, or the place of one that no honest writer can have stored. */
export type ReadRow =
  | { readonly ok: true; readonly row: AuditRow }
  | { readonly ok: false; readonly seq: number; readonly rowId: string }

function readRow(tenantId: TenantId, columns: Record<string, unknown>): ReadRow {
  const parsed = StoredRow.safeParse(columns)
  if (!parsed.success) return { ok: false, seq: Number(columns.seq), rowId: String(columns.row_id) }
  const { row_id, at_us, key_version, previous_hash, actor_tag, action_tag, target_tag, ...same } = parsed.data
  const row: AuditRow = {
    ...same,
    tenantId,
    rowId: row_id,
    at: at_us / MICROSECONDS,
    keyVersion: key_version,
    previousHash: previous_hash,
    actorTag: actor_tag,
    actionTag: action_tag,
    targetTag: target_tag,
  }
  return { ok: true, row }
}

/**
 * Hands over a tenant's rows after a place, in the order in which they were appended, at most `limit`. One snapshot, when run in
 * one transaction. By COPY, since it is several times as fast as a cursor; nothing is kept, so memory does not grow with the log.
 */
export async function readChain(
  sql: Transaction,
  tenantId: TenantId,
  after: { readonly seq: number; readonly at: number },
  limit: number,
  take: (row: CopiedRow | null) => void,
): Promise<void> {
  const epoch = after.seq === 0 ? 0 : epochOf(after.at)
  // COPY takes no parameters, and literals are not built by hand: they are bound as settings of this transaction.
  await sql`
    select
      set_config('flarewatch.walk_tenant', ${tenantId}, true),
      set_config('flarewatch.walk_epoch', ${String(epoch)}, true),
      set_config('flarewatch.walk_seq', ${String(after.seq)}, true),
      set_config('flarewatch.walk_limit', ${String(limit)}, true)`
  const stream = await sql`
    copy (
      select epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash
      from flarewatch.audit_log
      where tenant_id = current_setting('flarewatch.walk_tenant')::uuid
        and (epoch, seq) > (
          current_setting('flarewatch.walk_epoch')::integer, current_setting('flarewatch.walk_seq')::bigint
        )
      order by epoch, seq
      limit current_setting('flarewatch.walk_limit')::bigint
    ) to stdout (format binary)`.readable()
  const decoder = new CopyDecoder(tenantId, take)
  await new Promise<void>((finished, failed) => {
    stream.on('error', failed)
    stream.on('end', finished)
    // Not `for await`, which would cost a turn of the event loop a row.
    stream.on('data', (chunk: Uint8Array) => {
      try {
        decoder.write(chunk)
      } catch (error) {
        stream.destroy(error instanceof Error ? error : new CopyMalformed(String(error)))
      }
    })
  })
  decoder.end()
}

/** The rows that claim a place in `first` to `last`: more than one at a place when rows were added. */
export async function rowsBetween(sql: Sql, tenantId: TenantId, first: number, last: number): Promise<ReadRow[]> {
  const rows = await sql`
    select ${columns(sql)} from flarewatch.audit_log
    where tenant_id = ${tenantId} and seq between ${first} and ${last} order by seq, epoch`
  return rows.map((row) => readRow(tenantId, row))
}

/** Where a row stands now; null when it is nowhere. */
export async function seqOfRow(sql: Sql, tenantId: TenantId, rowId: string): Promise<number | null> {
  const [row] = await sql`
    select seq from flarewatch.audit_log where tenant_id = ${tenantId} and row_id = ${rowId}::uuid limit 1`
  return row === undefined ? null : z.number().parse(row.seq)
}

const StoredHead = z.object({ seq: z.number(), hash: z.instanceof(Uint8Array) })

/** The head from which Postgres judges the next row. */
export async function storedHead(sql: Transaction, tenantId: TenantId): Promise<z.output<typeof StoredHead> | null> {
  const [row] = await sql`select seq, hash from flarewatch.audit_heads where tenant_id = ${tenantId}`
  return row === undefined ? null : StoredHead.parse(row)
}

function columns(sql: Sql) {
  return sql`epoch, seq, row_id, (extract(epoch from at) * 1000000)::bigint as at_us, key_version,
    previous_hash, actor_tag, action_tag, target_tag, sealed, hash`
}
