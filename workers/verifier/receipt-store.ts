import { z } from 'zod'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { newestReceiptKey, receiptKey, tileKey } from '../../domain/contracts/receipt-store.ts'
import type { ReadTile, WrittenTile } from '../../domain/merkle/tiles.ts'
import type { Sql } from '../runtime/database.ts'
import { openReceipt, type Receipt, type ReceiptSigner } from './receipt.ts'

/** The newest signed receipt as the bucket has it. `etag` lets the next one replace it and no newer one. */
export type NewestReceipt = { readonly receipt: Receipt; readonly etag: string }

/** `unreadable` when something stands there that our key did not sign for this log. */
export async function newestReceipt(
  bucket: R2Bucket,
  log: TenantId,
  signer: ReceiptSigner,
): Promise<NewestReceipt | 'none' | 'unreadable'> {
  const stored = await bucket.get(newestReceiptKey(log))
  if (stored === null) return 'none'
  const receipt = await openReceipt(await stored.text(), log, signer)
  return receipt === null ? 'unreadable' : { receipt, etag: stored.etag }
}

/** Receipts by size as Postgres remembers them: more than the newest, and any of them must still be true. */
export async function rememberedRoots(sql: Sql, log: TenantId): Promise<Map<number, Uint8Array>> {
  const Row = z.object({ size: z.number(), root: z.instanceof(Uint8Array) })
  const rows = await sql`select size, root from flarewatch.receipts where log = ${log}`
  return new Map(
    z
      .array(Row)
      .parse(rows)
      .map(({ size, root }) => [size, root]),
  )
}

/** Written once, whoever comes second: nothing that was published changes. */
const ONCE = { onlyIf: { etagDoesNotMatch: '*' } } as const
const AT_A_TIME = 6

/**
 * Publishes a receipt. The tiles come first, so that a published size always has its proofs; the pointer comes last, so that
 * a run that broke off is repeated whole by the next. Answers the receipt that stands, which an earlier run may have written.
 */
export async function publishReceipt(
  bucket: R2Bucket,
  receipt: Receipt,
  tiles: readonly WrittenTile[],
  replaces: NewestReceipt | 'none',
  signer: ReceiptSigner,
): Promise<Receipt | 'unreadable'> {
  const { log } = receipt
  await publishTiles(bucket, log, tiles)
  const key = receiptKey(log, receipt.size)
  const written = await bucket.put(key, receipt.note, ONCE)
  const standing = written === null ? await reopen(bucket, key, log, signer) : receipt
  if (standing === null) return 'unreadable'
  const unmoved = replaces === 'none' ? ONCE : { onlyIf: { etagMatches: replaces.etag } }
  await bucket.put(newestReceiptKey(log), standing.note, unmoved)
  return standing
}

export async function publishTiles(bucket: R2Bucket, log: TenantId, tiles: readonly WrittenTile[]): Promise<void> {
  for (let start = 0; start < tiles.length; start += AT_A_TIME) {
    const batch = tiles.slice(start, start + AT_A_TIME)
    await Promise.all(batch.map((tile) => bucket.put(tileKey(log, tile), tile.hashes, ONCE)))
  }
}

export function tileReader(bucket: R2Bucket, log: TenantId): ReadTile {
  return async (tile) => {
    const stored = await bucket.get(tileKey(log, tile))
    if (stored === null) throw new Error('a tile of a signed size is missing')
    return new Uint8Array(await stored.arrayBuffer())
  }
}

async function reopen(bucket: R2Bucket, key: string, log: TenantId, signer: ReceiptSigner): Promise<Receipt | null> {
  const stored = await bucket.get(key)
  return stored === null ? null : openReceipt(await stored.text(), log, signer)
}

export async function rememberReceipt(sql: Sql, { log, size, root, chainHead, note, at }: Receipt): Promise<void> {
  await sql`
    insert into flarewatch.receipts (log, size, root, chain_head, note, at)
    values (${log}, ${size}, ${root}, ${chainHead}, ${note}, ${at})
    on conflict do nothing`
}
