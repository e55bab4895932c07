import { concat, equalConstantTime, fromBase64, toBase64, utf8 } from '../bytes.ts'
import { unshared } from '../envelope/primitives.ts'
import { failure, type Result, success } from '../result.ts'
import { importSeed, isKeyName, keyIdOf, type NoteSigner, type NoteVerifier, verifyEd25519 } from './keys.ts'

export {
  formatSignerKey,
  formatVkey,
  generateSigner,
  type NoteSigner,
  type NoteVerifier,
  parseSignerKey,
  parseVkey,
} from './keys.ts'

/** C2SP signed-note: a text, a blank line, signature lines that anyone may add to. */
export type OpenedNote = {
  /** With the newline at its end: exactly what was signed. */
  readonly text: string
  /** Names of the given keys that signed it, without repetition. At least one. */
  readonly signedBy: readonly string[]
}
export type NoteRefusal = 'note_malformed' | 'signature_invalid' | 'signature_missing'

export const MAX_NOTE_CHARACTERS = 65_536
const MAX_SIGNATURES = 100
const KEY_ID_BYTES = 4
const SIGNATURE_LINE = /^\u2014 (\S+) ([A-Za-z0-9+/=]+)$/u

type NoteSignature = { readonly name: string; readonly keyId: Uint8Array; readonly signature: Uint8Array }

export async function signNote(text: string, signers: readonly NoteSigner[]): Promise<string> {
  if (!isNoteText(text)) throw new RangeError('not a text that a note can hold')
  const lines = await Promise.all(
    signers.map(async (signer) => {
      const signature = await sign(signer, text)
      return `\u2014 ${signer.name} ${toBase64(concat(keyIdOf(signer), signature))}\n`
    }),
  )
  return `${text}\n${lines.join('')}`
}

/** Signatures of unknown keys say nothing and are passed over; a wrong one in the name of a known key condemns the note. */
export async function openNote(
  note: string,
  verifiers: readonly NoteVerifier[],
): Promise<Result<OpenedNote, NoteRefusal>> {
  const parts = splitNote(note)
  if (parts === null) return failure('note_malformed')
  const signedBy = new Set<string>()
  for (const { name, keyId, signature } of parts.signatures) {
    const known = verifiers.find((key) => key.name === name && equalConstantTime(keyIdOf(key), keyId))
    if (known === undefined) continue
    if (!(await verifyEd25519(known.publicKey, signature, utf8(parts.text)))) return failure('signature_invalid')
    signedBy.add(name)
  }
  return signedBy.size === 0 ? failure('signature_missing') : success({ text: parts.text, signedBy: [...signedBy] })
}

/** The text of a note whose signatures nobody has judged: good for looking at, never for trusting. */
export function unverifiedText(note: string): Result<string, 'note_malformed'> {
  const parts = splitNote(note)
  return parts === null ? failure('note_malformed') : success(parts.text)
}

async function sign(signer: NoteSigner, text: string): Promise<Uint8Array> {
  const key = await importSeed(signer.seed, false)
  return new Uint8Array(await crypto.subtle.sign('Ed25519', key, unshared(utf8(text))))
}

function splitNote(note: string): { text: string; signatures: NoteSignature[] } | null {
  if (note.length > MAX_NOTE_CHARACTERS || !note.endsWith('\n')) return null
  // The last blank line: the text itself may hold others.
  const blank = note.lastIndexOf('\n\n')
  if (blank < 0) return null
  const text = note.slice(0, blank + 1)
  const lines = note.slice(blank + 2, -1).split('\n')
  if (!isNoteText(text) || lines.length > MAX_SIGNATURES) return null
  const signatures = lines.map(parseSignatureLine).filter((signature) => signature !== null)
  return signatures.length === lines.length ? { text, signatures } : null
}

function parseSignatureLine(line: string): NoteSignature | null {
  const [, name = '', encoded = ''] = SIGNATURE_LINE.exec(line) ?? []
  const bytes = fromBase64(encoded)
  if (!isKeyName(name) || !bytes.ok || bytes.value.length <= KEY_ID_BYTES) return null
  return { name, keyId: bytes.value.subarray(0, KEY_ID_BYTES), signature: bytes.value.subarray(KEY_ID_BYTES) }
}

function isNoteText(text: string): boolean {
  if (text.length > MAX_NOTE_CHARACTERS || !text.endsWith('\n') || !text.isWellFormed()) return false
  return !Array.from(text).some((character) => character < ' ' && character !== '\n')
}
