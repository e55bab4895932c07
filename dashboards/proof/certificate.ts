import { verifyConsistency } from '../../domain/merkle/tree.ts'
import { epochOriginOf, parseEpochCertificate } from '../../domain/note/epoch-certificate.ts'
import { openNote } from '../../domain/note/signed-note.ts'
import type { PrunedRows, z } from '../data/schemas.ts'
import type { Answer } from '../data/wire.ts'
import type { Tools } from './log-check.ts'
import { readPin } from './pin.ts'
import { parseHashes } from './receipt.ts'

export type Pruned = z.infer<typeof PrunedRows>
/** `unchecked`: no receipt of the log was accepted here yet, so there is nothing to hold the certificate against. */
export type PruningCheck = 'certified' | 'not_certified' | 'unchecked'

/**
 * That rows which are gone were pruned, and not just taken away: the certificate is signed by a key that this browser believes, ends
 * where the log is said to begin, and the tree of the last accepted receipt begins with the tree that it closed (L5).
 */
export async function checkPruning(
  log: string,
  { through_seq, epoch }: Pruned,
  { fetch, store }: Tools,
): Promise<Answer<PruningCheck>> {
  const pin = await readPin(store, log)
  if (pin === null) return sure('unchecked')
  const note = await fetch(`/receipts/${log}/epochs/${epoch}`)
  if (!note.ok) return note.failure.code === 'not_found' ? sure('not_certified') : note
  const opened = await openNote(note.value, pin.keys)
  const certificate = opened.ok ? parseEpochCertificate(opened.value.text) : opened
  if (!opened.ok || !certificate.ok) return sure('not_certified')
  const { origin, lastSeq, root } = certificate.value
  const isNamed = opened.value.signedBy.some((name) => origin === epochOriginOf(name, log, epoch))
  const { size, root: toRoot } = pin.receipt
  if (!isNamed || lastSeq !== through_seq || lastSeq > size) return sure('not_certified')
  const lines = await fetch(`/receipts/${log}/${lastSeq}/${size}`)
  if (!lines.ok) return lines.failure.code === 'not_found' ? sure('not_certified') : lines
  const proof = parseHashes(lines.value.split('\n').slice(0, -1))
  const claim = { from: lastSeq, to: size, fromRoot: root, toRoot }
  return sure(proof !== null && verifyConsistency({ ...claim, proof }) ? 'certified' : 'not_certified')
}

function sure(value: PruningCheck): Answer<PruningCheck> {
  return { ok: true, value }
}
