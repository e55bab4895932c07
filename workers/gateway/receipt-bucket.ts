import type { TenantId } from '../../domain/contracts/ids.ts'
import {
  certificateKey,
  certificatesPrefix,
  newestReceiptKey,
  receiptKey,
  tileKey,
} from '../../domain/contracts/receipt-store.ts'
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

export async function readCertificate({ RECEIPTS }: Bucket, log: TenantId, epoch: number): Promise<string | null> {
  const stored = await RECEIPTS.get(certificateKey(log, epoch))
  return stored === null ? null : stored.text()
}

/** The epochs of a log that were certified, oldest first, each with the size of the tree that it closed. */
export async function certifiedEpochs({ RECEIPTS }: Bucket, log: TenantId): Promise<CertifiedEpoch[]> {
  const prefix = certificatesPrefix(log)
  const epochs: CertifiedEpoch[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await RECEIPTS.list({
      prefix,
      include: ['customMetadata'],
      ...(cursor === undefined ? {} : { cursor }),
    })
    for (const { key, customMetadata } of page.objects) {
      epochs.push({ epoch: Number(key.slice(prefix.length)), size: Number(customMetadata?.size) })
    }
    if (!page.truncated) return epochs
    cursor = page.cursor
  }
}
export type CertifiedEpoch = { readonly epoch: number; readonly size: number }

/** Of any other size the tiles may not be there, and nothing signed could be compared. */
export async function isSigned(bindings: Bucket, log: TenantId, size: number): Promise<boolean> {
  if ((await bindings.RECEIPTS.head(receiptKey(log, size))) !== null) return true
  return (await certifiedEpochs(bindings, log)).some((certified) => certified.size === size)
}

export function tileReader({ RECEIPTS }: Bucket, log: TenantId): ReadTile {
  return async (tile) => {
    const stored = await RECEIPTS.get(tileKey(log, tile))
    if (stored === null) throw new Error('a tile of a signed size is missing')
    return new Uint8Array(await stored.arrayBuffer())
  }
}
