import { formatVkey, type NoteVerifier } from '../../domain/note/signed-note.ts'
import { z } from '../data/schemas.ts'
import { openReceipt, parseLogKeys, type Receipt } from './receipt.ts'

/** The last receipt that this browser accepted, and the keys that it believed then. */
export type Pin = { readonly receipt: Receipt; readonly keys: readonly NoteVerifier[] }
export type PinStore = Pick<Storage, 'getItem' | 'setItem'>

const Stored = z.object({ note: z.string(), keys: z.string() })
const nameOf = (log: string) => `flarewatch.receipt.${log}`

/** Null when nothing is kept. What was damaged in keeping counts as nothing: it proves nothing about the log. */
export async function readPin(store: PinStore, log: string): Promise<Pin | null> {
  const parsed = Stored.safeParse(parsedJson(store.getItem(nameOf(log))))
  if (!parsed.success) return null
  const keys = parseLogKeys(parsed.data.keys)
  if (keys === null) return null
  const receipt = await openReceipt(parsed.data.note, keys, log)
  return receipt.ok ? { receipt: receipt.value, keys } : null
}

export function writePin(store: PinStore, log: string, { receipt, keys }: Pin): void {
  store.setItem(nameOf(log), JSON.stringify({ note: receipt.note, keys: keys.map(formatVkey).join('\n') }))
}

function parsedJson(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null')
  } catch {
    return null
  }
}
