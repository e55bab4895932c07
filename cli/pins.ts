import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { fromBase64 } from '../domain/bytes.ts'
import { verifyConsistency } from '../domain/merkle/tree.ts'
import { type Checkpoint, originOf, parseCheckpoint } from '../domain/note/checkpoint.ts'
import { openNote } from '../domain/note/signed-note.ts'
import { CommandRefused } from './command.ts'
import { fetchText } from './http.ts'
import { writePrivately } from './private-file.ts'
import type { Trust } from './trust.ts'

/** The last checkpoint of a log that was seen from this folder, and the key that it was trusted by. */
const Pin = z.object({ vkey: z.string(), checkpoint: z.string() })
export type Pin = z.infer<typeof Pin>

function pinPath(dir: string, tenantId: string): string {
  return join(dir, 'pins', `${tenantId}.json`)
}

export function readPin(dir: string, tenantId: string): Pin | null {
  const path = pinPath(dir, tenantId)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return null
  }
  const pin = Pin.safeParse(parsed(text))
  // Passing over it would let whoever damaged it show another log.
  if (!pin.success)
    throw new CommandRefused('pin_unreadable', `${path} is damaged. Restore it, or remove it to begin anew`)
  return pin.data
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export async function openCheckpoint(note: string, { verifier }: Trust, tenantId: string): Promise<Checkpoint> {
  const opened = await openNote(note, [verifier])
  if (!opened.ok) throw new CommandRefused(opened.code, 'The checkpoint is not signed by the key that you trust')
  const checkpoint = parseCheckpoint(opened.value.text)
  if (!checkpoint.ok) throw new CommandRefused(checkpoint.code, 'The checkpoint cannot be read')
  if (checkpoint.value.origin === originOf(verifier.name, tenantId)) return checkpoint.value
  throw new CommandRefused('origin_mismatch', 'The checkpoint is of another log')
}

export type Pinning = {
  readonly dir: string
  readonly tenantId: string
  readonly gatewayUrl: string
  readonly trust: Trust
  readonly note: string
  /** Whether the server gave this as its newest: then it may not be older than what was seen. */
  readonly isNewest: boolean
}

export type Pinned = { readonly size: number; readonly previousSize: number | null }

/**
 * Demands that the log has only grown since the checkpoint that was last seen from here, then remembers the newer of the two.
 * Without this a server could show each reader a log of their own. Answers its size, and the one that was remembered before.
 */
export async function pinCheckpoint(pinning: Pinning): Promise<Pinned> {
  const { dir, tenantId, trust, note, isNewest } = pinning
  const now = await openCheckpoint(note, trust, tenantId)
  const pin = readPin(dir, tenantId)
  if (pin === null) {
    savePin(dir, tenantId, { vkey: trust.vkey, checkpoint: note })
    return { size: now.size, previousSize: null }
  }
  const seen = await openCheckpoint(pin.checkpoint, trust, tenantId)
  if (isNewest && now.size < seen.size) {
    const message = `The newest checkpoint has ${now.size} rows, but one of ${seen.size} rows was seen from here before`
    throw new CommandRefused('checkpoint_rolled_back', message)
  }
  await demandConsistency(pinning.gatewayUrl, tenantId, now.size < seen.size ? [now, seen] : [seen, now])
  await advancePin(pinning, seen)
  return { size: now.size, previousSize: seen.size }
}

/** The pinned checkpoint of a log, by the key that is trusted now. */
export async function pinnedCheckpoint(dir: string, tenantId: string, trust: Trust): Promise<Checkpoint | null> {
  const pin = readPin(dir, tenantId)
  return pin === null ? null : openCheckpoint(pin.checkpoint, trust, tenantId)
}

type Advance = Pick<Pinning, 'dir' | 'tenantId' | 'trust' | 'note'>

/** Moves a pin on to a note that is known to agree with what was seen; an older one changes nothing. */
export async function advancePin({ dir, tenantId, trust, note }: Advance, seen: Checkpoint): Promise<void> {
  const now = await openCheckpoint(note, trust, tenantId)
  if (now.size > seen.size) savePin(dir, tenantId, { vkey: trust.vkey, checkpoint: note })
}

function savePin(dir: string, tenantId: string, pin: Pin): void {
  writePrivately(pinPath(dir, tenantId), `${JSON.stringify(pin)}\n`)
}

/** That the older log is the beginning of the newer one, by the server's proof. */
export async function demandConsistency(
  gatewayUrl: string,
  tenantId: string,
  [older, newer]: readonly [Checkpoint, Checkpoint],
): Promise<void> {
  const isEqual = older.size === newer.size
  const lines = isEqual ? '' : await fetchText(`${gatewayUrl}/receipts/${tenantId}/${older.size}/${newer.size}`)
  const proof = lines.split('\n').flatMap((line) => {
    const hash = fromBase64(line)
    return line !== '' && hash.ok ? [hash.value] : []
  })
  const sizes = { from: older.size, to: newer.size, fromRoot: older.root, toRoot: newer.root }
  if (verifyConsistency({ ...sizes, proof })) return
  const message = `The log of ${newer.size} rows does not begin with the log of ${older.size} rows that was signed before`
  throw new CommandRefused('checkpoint_inconsistent', message)
}
