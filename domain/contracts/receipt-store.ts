import type { Tile } from '../merkle/tiles.ts'
import type { TenantId } from './ids.ts'

/** Keys in the receipts bucket, which the verifier writes and the gateway reads. Receipts and tiles are written once. */

/** What the keys of all logs' receipts begin with; a log's id and a slash follow. */
export const RECEIPTS = 'receipts/'

export function receiptKey(log: TenantId, size: number): string {
  return `receipts/${log}/${size}`
}

/** What the keys of a log's receipts begin with; the rest is a size in decimal, `latest`, or `epochs/` and an epoch. */
export function receiptPrefix(log: TenantId): string {
  return `receipts/${log}/`
}

/** A copy of the receipt with the largest size. */
export function newestReceiptKey(log: TenantId): string {
  return `receipts/${log}/latest`
}

/** How far the verifier has come with a log. Changes; only the verifier can write what it will believe. */
export function verificationKey(log: TenantId): string {
  return `verification/${log}`
}

/** The certificate of an epoch (YYYYMM) of which a log has had rows. */
export function certificateKey(log: TenantId, epoch: number): string {
  return `${certificatesPrefix(log)}${epoch}`
}

export function certificatesPrefix(log: TenantId): string {
  return `receipts/${log}/epochs/`
}

/** Laid out as C2SP tlog-tiles does, but with plain decimal indexes: `tile/{level}/{index}[.p/{width}]`. */
export function tileKey(log: TenantId, { level, index, width }: Tile): string {
  const whole = `tiles/${log}/${level}/${index}`
  return width === FULL_WIDTH ? whole : `${whole}.p/${width}`
}
const FULL_WIDTH = 256

/** Where the verifier remembers what guarded the log in Postgres when it last looked. */
export function guardStateKey(): string {
  return 'guards/state.json'
}
