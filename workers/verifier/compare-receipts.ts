import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Finding } from './finding.ts'
import type { Instruments } from './instruments.ts'
import {
  isPublished,
  type ListedReceipt,
  listedReceipts,
  newestReceipt,
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
  tools: Instruments,
  log: TenantId,
  { signedSize, compared }: Pick<Walking, 'signedSize' | 'compared'>,
): Promise<Compared | Finding> {
  const { bucket, sql, limits } = tools
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
  const beyond = compared.beyond + receipts.length - published.size
  const done = lastName === null
  if (done && beyond > MAX_UNPOINTED && (await isPointerAt(tools, log, signedSize))) {
    return { kind: 'receipt_inconsistent', seq: signedSize, detail: { differs: 'newest' } }
  }
  return { after: lastName ?? after, count: compared.count + published.size, beyond, done }
}

/** A run that broke off leaves one receipt that the pointer has not come to, and the next run completes it before it signs another. */
const MAX_UNPOINTED = 1

/** Runs that sign go on beside a night: a pointer that has moved on since is none that was set back. */
async function isPointerAt({ bucket, signer }: Instruments, log: TenantId, size: number): Promise<boolean> {
  const newest = await newestReceipt(bucket, log, signer)
  return newest !== 'none' && newest !== 'unreadable' && newest.receipt.size === size
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
