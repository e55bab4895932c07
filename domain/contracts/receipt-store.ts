import type { Tile } from '../merkle/tiles.ts'
import type { TenantId } from './ids.ts'

/** Keys in the receipts bucket, which the verifier writes and the gateway reads. All but the newest are written once. */

export function receiptKey(log: TenantId, size: number): string {
  return `receipts/${log}/${size}`
}

/** A copy of the receipt with the largest size. */
export function newestReceiptKey(log: TenantId): string {
  return `receipts/${log}/latest`
}

/** The certificate of a deleted tenant's shredding. */
export function shreddingKey(log: TenantId): string {
  return `receipts/${log}/shredding`
}

/** Laid out as C2SP tlog-tiles does, but with plain decimal indexes: `tile/{level}/{index}[.p/{width}]`. */
export function tileKey(log: TenantId, { level, index, width }: Tile): string {
  const whole = `tiles/${log}/${level}/${index}`
  return width === FULL_WIDTH ? whole : `${whole}.p/${width}`
}
const FULL_WIDTH = 256
