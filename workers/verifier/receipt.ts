import type { TenantId } from '../../domain/contracts/ids.ts'
import { formatCheckpoint, originOf, parseCheckpoint } from '../../domain/note/checkpoint.ts'
import { type NoteSigner, openNote, parseSignerKey, signNote } from '../../domain/note/signed-note.ts'

/** A signed checkpoint of one tenant's log. */
export type Receipt = {
  readonly log: TenantId
  readonly size: number
  readonly root: Uint8Array
  /** The hash of the last row. */
  readonly chainHead: Uint8Array
  readonly at: Date
  /** The signed note as it is published. */
  readonly note: string
}

export type ReceiptSigner = { readonly signer: NoteSigner; readonly logName: string }

export async function parseReceiptSigner(key: string, logName: string): Promise<ReceiptSigner> {
  const signer = await parseSignerKey(key)
  if (!signer.ok) throw new Error('RECEIPT_SIGNING_KEY is not a signed-note private key')
  if (signer.value.name !== logName) throw new Error('RECEIPT_SIGNING_KEY is not the key of LOG_NAME')
  return { signer: signer.value, logName }
}

export async function signReceipt(
  receipt: Omit<Receipt, 'note'>,
  { signer, logName }: ReceiptSigner,
): Promise<Receipt> {
  const { log, size, root, chainHead, at } = receipt
  const text = formatCheckpoint({ origin: originOf(logName, log), size, root, chainHead, at: at.getTime() })
  return { ...receipt, note: await signNote(text, [signer]) }
}

/** Null for anything that our key did not sign for this log. */
export async function openReceipt(
  note: string,
  log: TenantId,
  { signer, logName }: ReceiptSigner,
): Promise<Receipt | null> {
  const opened = await openNote(note, [signer])
  const checkpoint = opened.ok ? parseCheckpoint(opened.value.text) : opened
  if (!checkpoint.ok || checkpoint.value.origin !== originOf(logName, log)) return null
  const { size, root, chainHead, at } = checkpoint.value
  return { log, size, root, chainHead, at: new Date(at), note }
}
