import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { newestReceiptKey, receiptKey, receiptPrefix, tileKey } from '../../domain/contracts/receipt-store.ts'
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

/** A receipt as Postgres has it: the columns are nobody's word, the note is. */
const RememberedReceipt = z.object({
  size: z.number(),
  root: z.instanceof(Uint8Array),
  chain_head: z.instanceof(Uint8Array),
  note: z.string(),
})
export type RememberedReceipt = z.output<typeof RememberedReceipt>

/** Those of sizes above `above` and up to `upTo`, smallest first, at most `limit`. */
export async function rememberedReceipts(
  sql: Sql,
  log: TenantId,
  { above, upTo, limit }: { readonly above: number; readonly upTo: number; readonly limit: number },
): Promise<RememberedReceipt[]> {
  const rows = await sql`
    select size, root, chain_head, note from flarewatch.receipts
    where log = ${log} and size > ${above} and size <= ${upTo} order by size limit ${limit}`
  return z.array(RememberedReceipt).parse(rows)
}

export async function countRemembered(sql: Sql, log: TenantId, upTo: number): Promise<number> {
  const [row] = await sql`select count(*) as count from flarewatch.receipts where log = ${log} and size <= ${upTo}`
  return z.object({ count: z.number() }).parse(row).count
}

/** The largest size that was ever signed, as far as Postgres remembers; 1 where it remembers none. */
export async function largestRemembered(sql: Sql, log: TenantId): Promise<number> {
  const [row] = await sql`select coalesce(max(size), 1) as size from flarewatch.receipts where log = ${log}`
  return z.object({ size: z.number() }).parse(row).size
}

/** Those whose sizes, as texts, lie behind `after` and up to `upToName`: the order in which a bucket lists. */
export async function rememberedByName(
  sql: Sql,
  log: TenantId,
  names: { readonly after: string; readonly upToName: string | null; readonly signedSize: number },
  limit: number,
): Promise<RememberedReceipt[]> {
  const { after, upToName, signedSize } = names
  const rows = await sql`
    select size, root, chain_head, note from flarewatch.receipts
    where log = ${log} and size <= ${signedSize} and size::text collate "C" > ${after}
      and (${upToName}::text is null or size::text collate "C" <= ${upToName}) order by size::text collate "C" limit ${limit}`
  return z.array(RememberedReceipt).parse(rows)
}

export type ListedReceipt = { readonly size: number; readonly md5: string }
const SIZE = /^[1-9][0-9]{0,15}$/

/** A page of the bucket's receipts behind a name. What is listed there under no size is no receipt. */
export async function listedReceipts(
  bucket: R2Bucket,
  log: TenantId,
  after: string,
  limit: number,
): Promise<{ readonly receipts: readonly ListedReceipt[]; readonly lastName: string | null }> {
  const prefix = receiptPrefix(log)
  const page = await bucket.list({ prefix, limit, ...(after === '' ? {} : { startAfter: prefix + after }) })
  const named = page.objects.map(({ key, etag }) => ({ name: key.slice(prefix.length), md5: etag }))
  return {
    receipts: named.filter(({ name }) => SIZE.test(name)).map(({ name, md5 }) => ({ size: Number(name), md5 })),
    lastName: page.truncated ? (named.at(-1)?.name ?? null) : null,
  }
}

/**
 * Whether the bucket has exactly that note. R2's etag is the MD5 of what was put, so agreement is seen in the listing: what
 * differs from a note that we signed and has its MD5 would be a second preimage. Anything else is read.
 */
export async function isPublished(
  bucket: R2Bucket,
  log: TenantId,
  { size, md5 }: ListedReceipt,
  note: string,
): Promise<boolean> {
  if (createHash('md5').update(note).digest('hex') === md5) return true
  return (await (await bucket.get(receiptKey(log, size)))?.text()) === note
}

/** Written once, whoever comes second: nothing that was published changes. */
const ONCE = { onlyIf: { etagDoesNotMatch: '*' } } as const
const AT_A_TIME = 6

export async function publishTiles(bucket: R2Bucket, log: TenantId, tiles: readonly WrittenTile[]): Promise<void> {
  for (let start = 0; start < tiles.length; start += AT_A_TIME) {
    const batch = tiles.slice(start, start + AT_A_TIME)
    await Promise.all(batch.map((tile) => bucket.put(tileKey(log, tile), tile.hashes, ONCE)))
  }
}

export function tileReader(bucket: R2Bucket, log: TenantId): ReadTile {
  return async (tile) => {
    const stored = await bucket.get(tileKey(log, tile))
    return stored === null ? new Uint8Array() : new Uint8Array(await stored.arrayBuffer())
  }
}

/** What stands under a size; null where nothing does. */
export async function publishedReceipt(
  bucket: R2Bucket,
  log: TenantId,
  size: number,
  signer: ReceiptSigner,
): Promise<Receipt | 'unreadable' | null> {
  const stored = await bucket.get(receiptKey(log, size))
  return stored === null ? null : ((await openReceipt(await stored.text(), log, signer)) ?? 'unreadable')
}

export async function publishNote(bucket: R2Bucket, { log, size, note }: Receipt): Promise<boolean> {
  const written = await bucket.put(receiptKey(log, size), note, ONCE)
  return written !== null || (await (await bucket.get(receiptKey(log, size)))?.text()) === note
}

export async function pointToNewest(
  bucket: R2Bucket,
  { log, note }: Receipt,
  replaces: NewestReceipt | 'none',
): Promise<void> {
  const unmoved = replaces === 'none' ? ONCE : { onlyIf: { etagMatches: replaces.etag } }
  await bucket.put(newestReceiptKey(log), note, unmoved)
}

/** Answers the note that stands, which another run may have stored. What is to be mailed with a receipt belongs in here. */
export async function rememberReceipt(sql: Sql, { log, size, root, chainHead, note, at }: Receipt): Promise<string> {
  return sql.begin(async (transaction) => {
    await transaction`
      insert into flarewatch.receipts (log, size, root, chain_head, note, at)
      values (${log}, ${size}, ${root}, ${chainHead}, ${note}, ${at})
      on conflict do nothing`
    const [row] = await transaction`select note from flarewatch.receipts where log = ${log} and size = ${size}`
    return z.object({ note: z.string() }).parse(row).note
  })
}
