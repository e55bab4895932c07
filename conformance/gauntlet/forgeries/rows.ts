import { randomUUID } from 'node:crypto'
import { hashRow } from '../../log-format.ts'
import { pick, type Random } from '../../random.ts'
import { another, type Forgery, rowAt, sizeOf, somewhere, type Target } from '../forgery.ts'
import {
  flipped,
  type LogRow,
  rehashed,
  removeRows,
  renumber,
  replaceFrom,
  setHead,
  type Tx,
  writeRow,
} from '../log-rows.ts'
import { byVerifier, inPostgres, NOBODY } from './in-postgres.ts'

/** What can be done to rows by somebody whom no trigger stops. */
export const ROW_FORGERIES: readonly Forgery[] = [
  ...editedColumns(),
  inPostgres('edit', 'sealed, with the hash of the row recomputed', async (tx, target, random) => {
    const seq = somewhere(target, random, { after: 1 })
    const edited = { ...rowAt(target, seq), sealed: flipped(rowAt(target, seq).sealed, 40) }
    await replace(tx, { ...edited, hash: hashRow(target.tenantId, edited) })
    return [byVerifier(target, seq, 'row_edited')]
  }),

  inPostgres('insert', 'under a number that is taken', async (tx, target, random) => {
    const seq = somewhere(target, random)
    const row = rowAt(target, seq)
    await writeRow(tx, { ...row, epoch: previousMonth(row.epoch), row_id: randomUUID() })
    return [byVerifier(target, seq, 'row_inserted')]
  }),
  inPostgres('insert', 'between two rows, and those after it renumbered', async (tx, target, random) => {
    const seq = somewhere(target, random)
    await renumber(tx, target.tenantId, seq, 1)
    await writeRow(tx, { ...rowAt(target, seq), row_id: randomUUID() })
    return [byVerifier(target, seq, 'row_inserted')]
  }),
  inPostgres('insert', 'at the end, so that it extends the chain', async (tx, target) => {
    const last = rowAt(target, sizeOf(target))
    const rows = rehashed(
      target.tenantId,
      [...target.rows, { ...last, seq: last.seq + 1, row_id: randomUUID() }],
      last.seq + 1,
    )
    await replaceFrom(tx, target.tenantId, last.seq + 1, rows)
    await setHead(tx, target.tenantId, rows)
    return [byVerifier(target, last.seq + 1, 'ledger_behind', 'row_inserted')]
  }),

  inPostgres('delete', 'leaving a hole', async (tx, target, random) => {
    const seq = somewhere(target, random, { after: 1 })
    await removeRows(tx, target.tenantId, seq, seq)
    return [byVerifier(target, seq, 'row_deleted')]
  }),
  inPostgres('delete', 'and those after it renumbered', async (tx, target, random) => {
    const seq = somewhere(target, random, { after: 1 })
    await removeRows(tx, target.tenantId, seq, seq)
    await renumber(tx, target.tenantId, seq + 1, -1)
    return [byVerifier(target, seq, 'row_deleted')]
  }),

  inPostgres('swap', 'two rows', async (tx, target, random) => {
    const [first, second] = twoPlaces(target, random)
    await permute(tx, target, [first, second], [second, first])
    return [byVerifier(target, first, 'row_reordered')]
  }),
  inPostgres('reorder', 'a stretch of rows, turned by one', async (tx, target, random) => {
    const length = 3 + random(4)
    const first = somewhere(target, random, { after: length })
    const places = Array.from({ length }, (_, index) => first + index)
    await permute(tx, target, places, [...places.slice(1), first])
    return [byVerifier(target, first, 'row_reordered')]
  }),

  inPostgres('duplicate', 'a row once more at the end', async (tx, target, random) => {
    const size = sizeOf(target)
    await writeRow(tx, { ...rowAt(target, somewhere(target, random)), seq: size + 1, epoch: rowAt(target, size).epoch })
    return [byVerifier(target, size + 1, 'ledger_behind', 'row_inserted')]
  }),
  inPostgres(
    'duplicate',
    'a row once more behind itself, and those after it renumbered',
    async (tx, target, random) => {
      const seq = somewhere(target, random, { after: 1 })
      await renumber(tx, target.tenantId, seq + 1, 1)
      await writeRow(tx, { ...rowAt(target, seq), seq: seq + 1 })
      return [byVerifier(target, seq + 1, 'row_inserted', 'row_reordered')]
    },
  ),

  inPostgres('truncate the tail', 'rows alone', async (tx, target, random) => {
    const seq = somewhere(target, random, { before: 1 })
    await removeRows(tx, target.tenantId, seq, sizeOf(target))
    return [byVerifier(target, seq, 'tail_truncated')]
  }),
  inPostgres('truncate the tail', 'with head and receipts set back', async (tx, target, random) => {
    const seq = somewhere(target, random, { before: 1 })
    await removeRows(tx, target.tenantId, seq, sizeOf(target))
    await setHead(tx, target.tenantId, target.rows.slice(0, seq - 1))
    await tx`delete from flarewatch.receipts where log = ${target.tenantId} and size >= ${seq}`
    return [byVerifier(target, seq, 'tail_truncated')]
  }),
  inPostgres('truncate the tail', 'down to nothing', async (tx, target) => {
    await removeRows(tx, target.tenantId, 1, sizeOf(target))
    return [byVerifier(target, 1, 'tail_truncated')]
  }),

  inPostgres('move sealed content', 'between two rows of a tenant', async (tx, target, random) => {
    const [first, second] = twoPlaces(target, random)
    await replace(tx, { ...rowAt(target, first), sealed: rowAt(target, second).sealed })
    await replace(tx, { ...rowAt(target, second), sealed: rowAt(target, first).sealed })
    return [byVerifier(target, first, 'row_edited')]
  }),
  inPostgres('move sealed content', 'between rows of two tenants', async (tx, target, random, scene) => {
    const other = another(scene, target)
    const [ours, theirs] = [somewhere(target, random), somewhere(other, random)]
    await replace(tx, { ...rowAt(target, ours), sealed: rowAt(other, theirs).sealed })
    await replace(tx, { ...rowAt(other, theirs), sealed: rowAt(target, ours).sealed })
    return [byVerifier(target, ours, 'row_edited'), byVerifier(other, theirs, 'row_edited')]
  }),

  inPostgres('swap tags', 'of one row', async (tx, target, random) => {
    const row = rowAt(target, somewhere(target, random))
    await replace(tx, { ...row, actor_tag: row.target_tag, target_tag: row.actor_tag })
    return [byVerifier(target, row.seq, 'row_edited')]
  }),
  inPostgres('swap tags', 'between two rows', async (tx, target, random) => {
    const [first, second] = placesOfOtherActions(target, random)
    await replace(tx, { ...rowAt(target, first), action_tag: rowAt(target, second).action_tag })
    await replace(tx, { ...rowAt(target, second), action_tag: rowAt(target, first).action_tag })
    return [byVerifier(target, first, 'row_edited')]
  }),
]

/** `received_at` is missing: it is a hint that nothing relies on, and no hash covers it (docs/storage.md). */
function editedColumns(): Forgery[] {
  const bytes = (column: 'previous_hash' | 'actor_tag' | 'action_tag' | 'target_tag' | 'sealed' | 'hash') =>
    edit(column, (row, random) => ({ ...row, [column]: flipped(row[column], random(row[column].length)) }))
  return [
    ...(['previous_hash', 'actor_tag', 'action_tag', 'target_tag', 'sealed', 'hash'] as const).map(bytes),
    edit('row_id', (row) => ({ ...row, row_id: randomUUID() })),
    edit('at', (row, random) => ({ ...row, at: row.at + 1 + random(1000) })),
    edit('key_version', (row) => ({ ...row, key_version: row.key_version + 1 })),
    edit('epoch', (row) => ({ ...row, epoch: previousMonth(row.epoch) })),
    inPostgres('edit', 'at, by less than a millisecond', async (tx, target, random) => {
      const seq = somewhere(target, random)
      await tx`update flarewatch.audit_log set at = at + interval '7 microseconds'
        where tenant_id = ${target.tenantId} and seq = ${seq}`
      return [byVerifier(target, seq, 'row_edited')]
    }),
    inPostgres('edit', 'seq', async (tx, target, random) => {
      const seq = somewhere(target, random)
      await tx`update flarewatch.audit_log set seq = ${sizeOf(target) + 1 + random(1000)}
        where tenant_id = ${target.tenantId} and seq = ${seq}`
      return [byVerifier(target, seq, 'row_reordered')]
    }),
    inPostgres('edit', 'tenant_id', async (tx, target, random) => {
      const seq = somewhere(target, random, { after: 1 })
      await tx`update flarewatch.audit_log set tenant_id = ${NOBODY}
        where tenant_id = ${target.tenantId} and seq = ${seq}`
      return [byVerifier(target, seq, 'row_deleted')]
    }),
  ]
}

function edit(column: string, change: (row: LogRow, random: Random) => LogRow): Forgery {
  return inPostgres('edit', column, async (tx, target, random) => {
    const seq = somewhere(target, random)
    await replace(tx, change(rowAt(target, seq), random))
    return [byVerifier(target, seq, 'row_edited')]
  })
}

async function replace(tx: Tx, row: LogRow): Promise<void> {
  await removeRows(tx, row.tenant_id, row.seq, row.seq)
  await writeRow(tx, row)
}

/** Stores the row of each of `from` at the place in `to` beside it. */
async function permute(tx: Tx, target: Target, to: readonly number[], from: readonly number[]): Promise<void> {
  for (const seq of from) await removeRows(tx, target.tenantId, seq, seq)
  for (const [index, seq] of to.entries()) await writeRow(tx, { ...rowAt(target, from[index] ?? 0), seq })
}

function twoPlaces(target: Target, random: Random): [number, number] {
  const first = somewhere(target, random, { after: 1 })
  return [first, first + 1 + random(sizeOf(target) - first)]
}

/** Most rows of a log that is read are readings: the first of the two is one of the others. */
function placesOfOtherActions(target: Target, random: Random): [number, number] {
  const tag = ({ action_tag }: LogRow) => Buffer.from(action_tag).toString('hex')
  const last = rowAt(target, sizeOf(target))
  const others = target.rows.filter((row) => tag(row) !== tag(last))
  return [pick(others, random).seq, last.seq]
}

function previousMonth(epoch: number): number {
  return epoch % 100 === 1 ? epoch - 89 : epoch - 1
}
