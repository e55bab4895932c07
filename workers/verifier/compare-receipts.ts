import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Finding } from './finding.ts'
import type { Instruments } from './instruments.ts'
import {
  isPublished,
  type ListedReceipt,
  listedReceipts,
  type RememberedReceipt,
  rememberedByName,
} from './receipt-store.ts'
import type { Walking } from './verification-state.ts'

type Compared = Walking['compared']

/**
 * Compares one page of what both sides have of a log's receipts: a merge of two lists in the order of names, so that neither
 * need be in memory. Postgres has a receipt before the bucket does, and the pointer to the newest comes last: so up to that
 * size both sides have the same receipts, whatever broke off when.
 */
export async function compareReceipts(
  { bucket, sql, limits }: Instruments,
  log: TenantId,
  { signedSize, compared }: Pick<Walking, 'signedSize' | 'compared'>,
): Promise<Compared | Finding> {
  const { after } = compared
  const { receipts, lastName } = await listedReceipts(bucket, log, after, limits.receipts)
  const published = new Map(receipts.filter(({ size }) => size <= signedSize).map((listed) => [listed.size, listed]))
  // One more than is listed is enough to show that one is too many.
  const names = { after, upToName: lastName, signedSize }
  const remembered = new Map(
    (await rememberedByName(sql, log, names, published.size + 1)).map((receipt) => [receipt.size, receipt]),
  )
  for (const size of inOrderOfNames(published, remembered)) {
    const finding = await compareOne(bucket, log, size, published.get(size), remembered.get(size))
    if (finding !== null) return finding
  }
  return { after: lastName ?? after, count: compared.count + published.size, done: lastName === null }
}

function inOrderOfNames(...sides: readonly ReadonlyMap<number, unknown>[]): number[] {
  const sizes = new Set(sides.flatMap((side) => [...side.keys()]))
  return [...sizes].sort((one, other) => (String(one) < String(other) ? -1 : 1))
}

async function compareOne(
  bucket: R2Bucket,
  log: TenantId,
  seq: number,
  published: ListedReceipt | undefined,
  remembered: RememberedReceipt | undefined,
): Promise<Finding | null> {
  if (remembered === undefined) return { kind: 'receipt_missing', seq, detail: { missing_in: 'postgres' } }
  if (published === undefined) return { kind: 'receipt_missing', seq, detail: { missing_in: 'bucket' } }
  if (await isPublished(bucket, log, published, remembered.note)) return null
  return { kind: 'receipt_inconsistent', seq, detail: { differs: 'note' } }
}
