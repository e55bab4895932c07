import { fromBase64 } from '../../domain/bytes.ts'
import { type Checkpoint, originOf, parseCheckpoint } from '../../domain/note/checkpoint.ts'
import { type NoteVerifier, openNote, parseVkey } from '../../domain/note/signed-note.ts'
import { failure, type Result, success } from '../../domain/result.ts'

/** A checkpoint of one log, signed by a key that this browser was told of or has kept. */
export type Receipt = Checkpoint & {
  /** The whole signed note. */
  readonly note: string
  readonly signedBy: string
}
export type ReceiptFault = 'receipt_malformed' | 'signature_invalid' | 'signature_missing' | 'other_log'

const MAX_KEYS = 20

/** `/.well-known/log-keys.txt`: a verifier key a line. One that is not well-formed spoils the file. */
export function parseLogKeys(text: string): NoteVerifier[] | null {
  const lines = text.split('\n').filter((line) => line !== '')
  const keys = lines.slice(0, MAX_KEYS).flatMap((line) => {
    const key = parseVkey(line)
    return key.ok ? [key.value] : []
  })
  return keys.length === lines.length && keys.length > 0 ? keys : null
}

/** The signature is checked before anything in the note is believed; then that it speaks of this log. */
export async function openReceipt(
  note: string,
  keys: readonly NoteVerifier[],
  log: string,
): Promise<Result<Receipt, ReceiptFault>> {
  const opened = await openNote(note, keys)
  if (!opened.ok) return failure(opened.code === 'note_malformed' ? 'receipt_malformed' : opened.code)
  const checkpoint = parseCheckpoint(opened.value.text)
  if (!checkpoint.ok) return failure('receipt_malformed')
  const signer = opened.value.signedBy.find((name) => checkpoint.value.origin === originOf(name, log))
  if (signer === undefined) return failure('other_log')
  return success({ ...checkpoint.value, note, signedBy: signer })
}

const MAX_PROOF_HASHES = 64

/** One base64 hash a line. */
export function parseHashes(lines: readonly string[]): Uint8Array[] | null {
  const hashes = lines.slice(0, MAX_PROOF_HASHES).flatMap((line) => {
    const hash = fromBase64(line)
    return hash.ok ? [hash.value] : []
  })
  return hashes.length === lines.length ? hashes : null
}
