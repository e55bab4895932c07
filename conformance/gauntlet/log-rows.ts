import type postgres from 'postgres'
import { genesisHash, type HashedFields, hashRow } from '../log-format.ts'

/** A row of `flarewatch.audit_log` as a superuser reads and writes it. */
export type LogRow = HashedFields & { readonly tenant_id: string; readonly hash: Uint8Array }
export type Tx = postgres.TransactionSql

export async function readLog(tx: Tx, tenantId: string): Promise<LogRow[]> {
  return tx<LogRow[]>`
    select tenant_id, epoch, seq::float8 as seq, row_id, (extract(epoch from at) * 1000)::float8 as at, key_version,
      previous_hash, actor_tag, action_tag, target_tag, sealed, hash
    from flarewatch.audit_log where tenant_id = ${tenantId} order by seq`
}

export async function writeRow(tx: Tx, row: LogRow): Promise<void> {
  await tx`insert into flarewatch.audit_log ${tx({ ...row, at: new Date(row.at) })}`
}

export async function removeRows(tx: Tx, tenantId: string, from: number, to: number): Promise<void> {
  await tx`delete from flarewatch.audit_log where tenant_id = ${tenantId} and seq between ${from} and ${to}`
}

/** Puts these rows in place of the tenant's stored ones from `from` on. */
export async function replaceFrom(tx: Tx, tenantId: string, from: number, rows: readonly LogRow[]): Promise<void> {
  await removeRows(tx, tenantId, from, Number.MAX_SAFE_INTEGER)
  for (const row of rows) if (row.seq >= from) await writeRow(tx, row)
}

/** Moves every row from `from` on up by so many numbers, from the last to the first where that is up. */
export async function renumber(tx: Tx, tenantId: string, from: number, by: 1 | -1): Promise<void> {
  // In two steps by way of numbers that nobody uses: the key is unique at each moment.
  const far = 1_000_000_000
  await tx`update flarewatch.audit_log set seq = seq + ${far} where tenant_id = ${tenantId} and seq >= ${from}`
  await tx`update flarewatch.audit_log set seq = seq - ${far - by} where tenant_id = ${tenantId} and seq >= ${far}`
}

/** The rows with every hash recomputed from the one at `from` on, as someone who knows the format would. */
export function rehashed(tenantId: string, rows: readonly LogRow[], from: number): LogRow[] {
  let previous: Uint8Array = genesisHash(tenantId)
  return rows.map((row) => {
    if (row.seq < from) {
      previous = row.hash
      return row
    }
    const changed = { ...row, tenant_id: tenantId, previous_hash: previous }
    previous = hashRow(tenantId, changed)
    return { ...changed, hash: previous }
  })
}

/** The head from which Postgres judges the next row, set to the last of these. */
export async function setHead(tx: Tx, tenantId: string, rows: readonly LogRow[]): Promise<void> {
  const last = rows.at(-1)
  await tx`
    update flarewatch.audit_heads set seq = ${last?.seq ?? 0}, epoch = ${last?.epoch ?? 0},
      hash = ${last?.hash ?? genesisHash(tenantId)}, at = ${last === undefined ? '-infinity' : new Date(last.at).toISOString()}
    where tenant_id = ${tenantId}`
}

/** Another value of the same length. */
export function flipped(bytes: Uint8Array, position: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(position) ^ 0xff, position)
  return copy
}
