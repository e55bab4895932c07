import type { TenantId } from '../../domain/contracts/ids.ts'
import { newestReceiptKey, receiptKey, tileKey } from '../../domain/contracts/receipt-store.ts'
import type { ReadTile } from '../../domain/merkle/tiles.ts'
import { originOf, parseCheckpoint } from '../../domain/note/checkpoint.ts'
import { parseVkey } from '../../domain/note/keys.ts'
import { openNote } from '../../domain/note/signed-note.ts'
import type { Bindings } from './bindings.ts'

type Bucket = Pick<Bindings, 'RECEIPTS'>
export type SignedSize = { readonly size: number; readonly note: string }

/** What the verifier has published for a log; null where it has not. */
export async function readNewest({ RECEIPTS }: Bucket, log: TenantId): Promise<string | null> {
  const stored = await RECEIPTS.get(newestReceiptKey(log))
  return stored === null ? null : stored.text()
}

export async function readReceipt({ RECEIPTS }: Bucket, log: TenantId, size: number): Promise<string | null> {
  const stored = await RECEIPTS.get(receiptKey(log, size))
  return stored === null ? null : stored.text()
}

/** The newest receipt with its size. One that the log's key has not signed for this log is a fault of ours, not an answer. */
export async function newestSigned(bindings: Bindings, log: TenantId): Promise<SignedSize | null> {
  const note = await readNewest(bindings, log)
  if (note === null) return null
  const vkey = parseVkey(bindings.LOG_VKEY)
  const opened = vkey.ok ? await openNote(note, [vkey.value]) : vkey
  const checkpoint = opened.ok ? parseCheckpoint(opened.value.text) : opened
  if (!vkey.ok || !checkpoint.ok || checkpoint.value.origin !== originOf(vkey.value.name, log)) {
    throw new Error('the newest receipt is not one that LOG_VKEY signed')
  }
  return { size: checkpoint.value.size, note }
}

export function tileReader({ RECEIPTS }: Bucket, log: TenantId): ReadTile {
  return async (tile) => {
    const stored = await RECEIPTS.get(tileKey(log, tile))
    if (stored === null) throw new Error('a tile of a signed size is missing')
    return new Uint8Array(await stored.arrayBuffer())
  }
}
