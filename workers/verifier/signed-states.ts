import { equalConstantTime } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Finding } from './finding.ts'
import { openReceipt, type Receipt, type ReceiptSigner } from './receipt.ts'
import type { RememberedReceipt } from './receipt-store.ts'
import type { SignedState } from './walk.ts'

/** The receipts that Postgres remembers, each by the word of our own signature; or the first that is not what was signed. */
export async function openRemembered(
  log: TenantId,
  remembered: readonly RememberedReceipt[],
  signer: ReceiptSigner,
): Promise<readonly Receipt[] | Finding> {
  const receipts: Receipt[] = []
  for (const row of remembered) {
    const receipt = await openReceipt(row.note, log, signer)
    if (receipt === null || !isOf(row, receipt)) {
      return {
        kind: 'receipt_inconsistent',
        seq: row.size,
        detail: { differs: receipt === null ? 'signature' : 'columns' },
      }
    }
    receipts.push(receipt)
  }
  return receipts
}

function isOf(row: RememberedReceipt, { size, root, chainHead }: Receipt): boolean {
  return row.size === size && equalConstantTime(row.root, root) && equalConstantTime(row.chain_head, chainHead)
}

export function signedStates(receipts: readonly Receipt[]): Map<number, SignedState> {
  return new Map(receipts.map(({ size, root, chainHead }) => [size, { root, chainHead }]))
}
