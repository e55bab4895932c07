import type postgres from 'postgres'
import { treeRoot } from '../../log-format.ts'
import type { Random } from '../../random.ts'
import { another, type Expected, type Forgery, type Scene, sizeOf, somewhere, type Target } from '../forgery.ts'
import { flipped, type LogRow, rehashed, replaceFrom, setHead, type Tx } from '../log-rows.ts'
import type { Storage } from '../storage.ts'
import { putBack } from '../superuser.ts'
import { byVerifier, inPostgres } from './in-postgres.ts'
import { onBothSides } from './on-both-sides.ts'

/** Another history in place of the one that was: shorter, older, someone else's, or of the same length. */
export const HISTORY_FORGERIES: readonly Forgery[] = [
  inPostgres('rewrite from row k', 'every hash recomputed, and the head', async (tx, target, random) => {
    const { from, rows } = rewritten(target, random)
    await store(tx, target, from, rows)
    return [byVerifier(target, from, 'fork')]
  }),
  inPostgres(
    'rewrite from row k',
    'and every receipt that Postgres remembers made to fit',
    async (tx, target, random) => {
      const { from, rows } = rewritten(target, random)
      await store(tx, target, from, rows)
      const sizes = await tx<{ size: number }[]>`
      select size::int as size from flarewatch.receipts where log = ${target.tenantId} and size >= ${from} order by size`
      for (const { size } of sizes) {
        const root = treeRoot(rows.slice(0, size).map(({ hash }) => hash))
        await tx`update flarewatch.receipts set root = ${root}, chain_head = ${rows[size - 1]?.hash ?? null}
        where log = ${target.tenantId} and size = ${size}`
      }
      // The first receipt that is wrong is as true an answer as the first row.
      const receipt = { kind: 'receipt_inconsistent', seq: await firstSigned(tx, target, from) }
      return [{ tenantId: target.tenantId, by: 'verifier', names: [{ kind: 'fork', seq: from }, receipt] }]
    },
  ),
  inPostgres('rewrite from row k', 'the last row alone', async (tx, target, random) => {
    const { rows } = rewritten(target, random, sizeOf(target))
    await store(tx, target, sizeOf(target), rows)
    return [byVerifier(target, sizeOf(target), 'fork')]
  }),

  inPostgres("graft another tenant's chain", 'as it is', async (tx, target, _, scene) => {
    const theirs = another(scene, target).rows.map((row) => ({ ...row, tenant_id: target.tenantId }))
    await store(tx, target, 1, theirs)
    return [byVerifier(target, 1, 'fork', 'row_edited', 'row_deleted', 'row_inserted')]
  }),
  inPostgres("graft another tenant's chain", 'every hash recomputed', async (tx, target, _, scene) => {
    await store(tx, target, 1, rehashed(target.tenantId, another(scene, target).rows, 1))
    return [byVerifier(target, 1, 'fork')]
  }),

  inPostgres(
    'restore an older database',
    'every table that vouches for a chain, for all tenants',
    async (tx, _, __, scene) => {
      await putBack(tx, scene.older)
      return scene.targets.map((target) => byVerifier(target, target.older.size + 1, 'tail_truncated'))
    },
  ),

  onBothSides('roll back one Durable Object', "the tenant's ledger", async ({ target, storage }) => {
    rollBackLedger(storage, target)
    return [byVerifier(target, target.older.size + 1, 'ledger_behind')]
  }),
  onBothSides('roll back both sides together', 'the bucket remembers', async ({ scene, target, storage }) => {
    await rollBackRows(scene, target)
    rollBackLedger(storage, target)
    return [byVerifier(target, target.older.size + 1, 'receipt_inconsistent')]
  }),
  onBothSides('roll back both sides together', 'and the bucket', async ({ scene, target, storage }) => {
    await rollBackRows(scene, target)
    rollBackLedger(storage, target)
    storage.restoreBucket(target.tenantId, target.older.bucket)
    return [byClient(target, 'checkpoint_rolled_back')]
  }),

  onBothSides('fork', 'the ledger has another history than Postgres', async ({ target, storage, random }) => {
    const { from, rows } = rewritten(target, random)
    rewriteLedger(storage, target, rows)
    return [byVerifier(target, from, 'fork')]
  }),
  onBothSides(
    'fork',
    'ledger and Postgres have another; receipts remain',
    async ({ scene, target, storage, random }) => {
      const { from, rows } = rewritten(target, random)
      await scene.superuser.unguarded((tx) => store(tx, target, from, rows))
      rewriteLedger(storage, target, rows)
      // Both sides agree on the row: what remains of the truth is the first receipt that covers it.
      const signed = await firstSigned(scene.superuser.sql, target, from)
      return [byVerifier(target, signed, 'receipt_inconsistent')]
    },
  ),
  onBothSides(
    'fork',
    'every receipt of ours is gone too, and signed anew',
    async ({ scene, target, storage, random }) => {
      const { from, rows } = rewritten(target, random)
      await scene.superuser.unguarded(async (tx) => {
        await store(tx, target, from, rows)
        await tx`delete from flarewatch.receipts where log = ${target.tenantId}`
      })
      rewriteLedger(storage, target, rows)
      storage.emptyBucket(target.tenantId)
      return [byClient(target, 'checkpoint_inconsistent')]
    },
  ),
]

function byClient({ tenantId }: Target, code: string): Expected {
  return { tenantId, by: 'client', names: [{ kind: code, seq: null }] }
}

/** The tenant's history with one row changed, and every hash from there on as it would have been. */
function rewritten(target: Target, random: Random, at?: number): { from: number; rows: LogRow[] } {
  // Not the first: of that the roster has the hash.
  const from = at ?? somewhere(target, random, { before: 1 })
  const rows = target.rows.map((row) => (row.seq === from ? { ...row, sealed: flipped(row.sealed, 40) } : row))
  return { from, rows: rehashed(target.tenantId, rows, from) }
}

async function store(tx: Tx, { tenantId }: Target, from: number, rows: readonly LogRow[]): Promise<void> {
  await replaceFrom(tx, tenantId, from, rows)
  await setHead(tx, tenantId, rows)
}

async function rollBackRows({ superuser, older }: Scene, { tenantId }: Target): Promise<void> {
  await superuser.unguarded((tx) => putBack(tx, { ...older, tenantIds: [tenantId] }))
}

async function firstSigned(sql: postgres.Sql | Tx, { tenantId }: Target, from: number): Promise<number> {
  const [row] = await sql<{ size: number }[]>`
    select min(size)::int as size from flarewatch.receipts where log = ${tenantId} and size >= ${from}`
  return row?.size ?? 0
}

function rollBackLedger(storage: Storage, { tenantId, older }: Target): void {
  storage.restoreFiles(storage.ledgerFile(tenantId), older.ledger)
}

function rewriteLedger(storage: Storage, { tenantId }: Target, rows: readonly LogRow[]): void {
  storage.edit(storage.ledgerFile(tenantId), (database) => {
    const update = database.prepare('update rows set sealed = ?, previous_hash = ?, hash = ? where seq = ?')
    for (const { sealed, previous_hash, hash, seq } of rows) update.run(sealed, previous_hash, hash, seq)
    database.prepare('update ledger set hash = ?').run(rows.at(-1)?.hash ?? null)
  })
}
