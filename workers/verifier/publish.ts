import { equalConstantTime } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Instruments } from './instruments.ts'
import { openReceipt, type Receipt, signReceipt } from './receipt.ts'
import {
  type NewestReceipt,
  pointToNewest,
  publishedReceipt,
  publishNote,
  publishTiles,
  rememberReceipt,
} from './receipt-store.ts'
import type { Verdict } from './verdict.ts'
import type { Walk } from './walk.ts'

/**
 * Signs what was walked, and publishes it: the tiles first, so that a published size always has its proofs; then Postgres; then
 * the receipt in the bucket; the pointer to the newest last. A run that broke off is completed by the next, with the note that it
 * signed: one size has one receipt. What the pointer has passed was on both sides, so what is missing later was taken away.
 */
export async function publish(
  tools: Instruments,
  log: TenantId,
  { size, root, lastHash, tiles, exhausted }: Walk,
  newest: NewestReceipt | 'none',
  pending: readonly Receipt[],
): Promise<Verdict> {
  const { bucket } = tools
  const more = !exhausted
  if (lastHash === null || (newest !== 'none' && newest.receipt.size === size)) {
    return { kind: 'sound', size, signed: null, more }
  }
  await publishTiles(bucket, log, tiles)
  for (const earlier of pending)
    if (earlier.size < size && !(await publishNote(bucket, earlier))) return refused(earlier.size)
  const receipt = await standingOrSigned(tools, { log, size, root, chainHead: lastHash, at: tools.at })
  if (receipt === null || !(await publishNote(bucket, receipt))) return refused(size)
  await pointToNewest(bucket, receipt, newest)
  return { kind: 'sound', size, signed: receipt, more }
}

/** Remembered: the receipt that an earlier run signed for that size, on whichever side it came to, or else a new one. Null when another one stands there. */
async function standingOrSigned(
  { bucket, sql, signer }: Instruments,
  receipt: Omit<Receipt, 'note'>,
): Promise<Receipt | null> {
  const { log, size, root, chainHead } = receipt
  const published = await publishedReceipt(bucket, log, size, signer)
  if (published === 'unreadable') return null
  const signed = published ?? (await signReceipt(receipt, signer))
  // Postgres answers what stands there: the first to come stays.
  const standing = await openReceipt(await rememberReceipt(sql, signed), log, signer)
  if (standing === null) return null
  return equalConstantTime(standing.root, root) && equalConstantTime(standing.chainHead, chainHead) ? standing : null
}

function refused(seq: number): Verdict {
  return { kind: 'finding', finding: { kind: 'receipt_inconsistent', seq, detail: { differs: 'note' } } }
}
