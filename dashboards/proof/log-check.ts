import { equalConstantTime } from '../../domain/bytes.ts'
import { verifyConsistency } from '../../domain/merkle/tree.ts'
import type { NoteVerifier } from '../../domain/note/signed-note.ts'
import { type Answer, failed } from '../data/wire.ts'
import { type Pin, type PinStore, readPin, writePin } from './pin.ts'
import { openReceipt, parseHashes, parseLogKeys, type Receipt, type ReceiptFault } from './receipt.ts'

/** What is wrong with a log. Each is a reason to stop trusting what it shows, none is a matter of waiting. */
export type Breach =
  | ReceiptFault
  /** No well-formed key is published to check a receipt with. */
  | 'keys_malformed'
  /** Signed, but by no key that this browser believed before. */
  | 'key_changed'
  /** Two receipts over the same number of rows, or a larger one that does not begin with the smaller: rows were rewritten. */
  | 'forked'
  /** A receipt that this browser has seen is no longer given out. */
  | 'vanished'

export type LogCheck =
  | { readonly state: 'unsigned' }
  /** `before`: the receipt that this one was held against; null when it is the first that this browser has seen. */
  | { readonly state: 'sound'; readonly receipt: Receipt; readonly before: Receipt | null }
  | { readonly state: 'broken'; readonly breach: Breach; readonly before: Receipt | null }

export type Fetch = (path: string) => Promise<Answer<string>>
export type Tools = { readonly fetch: Fetch; readonly store: PinStore }

/** The newest receipt: signed, of this log, and an extension of the last one seen. Only then is it kept in its place. */
export async function checkNewest(log: string, tools: Tools): Promise<Answer<LogCheck>> {
  return supported(async () => {
    const note = await tools.fetch(`/receipts/${log}`)
    if (note.ok) return judgeReceipt(log, note.value, tools)
    if (note.failure.code !== 'not_found') return note
    const pin = await readPin(tools.store, log)
    return sure(pin === null ? { state: 'unsigned' } : broken('vanished', pin))
  })
}

/** The same for a receipt that came with something else, such as the proof of a row. */
export async function checkReceipt(log: string, note: string, tools: Tools): Promise<Answer<LogCheck>> {
  return supported(() => judgeReceipt(log, note, tools))
}

async function judgeReceipt(log: string, note: string, { fetch, store }: Tools): Promise<Answer<LogCheck>> {
  const published = await fetch('/.well-known/log-keys.txt')
  if (!published.ok) return published
  const pin = await readPin(store, log)
  const keys = parseLogKeys(published.value)
  if (keys === null) return sure(broken('keys_malformed', pin))
  const opened = await openReceipt(note, keys, log)
  if (!opened.ok) return sure(broken(opened.code, pin))
  const receipt = opened.value
  if (pin === null) return keep(log, { receipt, keys }, null, store)
  // Key pinning: a server that was taken over could publish a key of its own beside a log of its own.
  if (!(await openReceipt(note, pin.keys, log)).ok) return sure(broken('key_changed', pin))
  const compared = await compare(log, pin.receipt, receipt, fetch)
  if (!compared.ok) return compared
  if (compared.value !== null) return sure(broken(compared.value, pin))
  // A cache on the way may still hold an older receipt of the same log; the newer one stays the one to extend.
  if (receipt.size < pin.receipt.size) return sure({ state: 'sound', receipt, before: pin.receipt })
  return keep(log, { receipt, keys: believed(pin.keys, keys) }, pin.receipt, store)
}

/** Null when the larger of the two begins with the smaller. */
async function compare(log: string, a: Receipt, b: Receipt, fetch: Fetch): Promise<Answer<Breach | null>> {
  const [older, newer] = a.size <= b.size ? [a, b] : [b, a]
  if (older.size === newer.size) {
    const same = equalConstantTime(older.root, newer.root) && equalConstantTime(older.chainHead, newer.chainHead)
    return { ok: true, value: same ? null : 'forked' }
  }
  const answer = await fetch(`/receipts/${log}/${older.size}/${newer.size}`)
  if (!answer.ok) return answer.failure.code === 'not_found' ? { ok: true, value: 'vanished' } : answer
  const proof = parseHashes(answer.value.split('\n').slice(0, -1))
  const claim = { from: older.size, to: newer.size, fromRoot: older.root, toRoot: newer.root }
  return { ok: true, value: proof !== null && verifyConsistency({ ...claim, proof }) ? null : 'forked' }
}

/** Keys that are published beside one that was believed are believed too: so a key can be replaced without an alarm. */
function believed(kept: readonly NoteVerifier[], published: readonly NoteVerifier[]): readonly NoteVerifier[] {
  const isKept = (key: NoteVerifier) =>
    kept.some(({ name, publicKey }) => name === key.name && equalConstantTime(publicKey, key.publicKey))
  return published.some(isKept) ? published : kept
}

function keep(log: string, pin: Pin, before: Receipt | null, store: PinStore): Answer<LogCheck> {
  writePin(store, log, pin)
  return sure({ state: 'sound', receipt: pin.receipt, before })
}

function broken(breach: Breach, pin: Pin | null): LogCheck {
  return { state: 'broken', breach, before: pin?.receipt ?? null }
}

function sure(value: LogCheck): Answer<LogCheck> {
  return { ok: true, value }
}

/** Browsers without Ed25519, and pages without TLS, cannot tell: that is no fault of the log, and no proof of it either. */
async function supported(check: () => Promise<Answer<LogCheck>>): Promise<Answer<LogCheck>> {
  try {
    return await check()
  } catch (error) {
    if (isUnsupported(error)) return failed('signatures_unsupported')
    throw error
  }
}

function isUnsupported(error: unknown): boolean {
  return crypto.subtle === undefined || (error instanceof DOMException && error.name === 'NotSupportedError')
}
