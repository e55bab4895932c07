import { type NoteVerifier, parseVkey } from '../domain/note/keys.ts'
import { CommandRefused, EXIT } from './command.ts'
import { readPin } from './pins.ts'
import { findRunFile } from './run-file.ts'

export type Trust = { readonly vkey: string; readonly verifier: NoteVerifier }

export function parseTrust(vkey: string): Trust {
  const verifier = parseVkey(vkey)
  if (verifier.ok) return { vkey, verifier: verifier.value }
  throw new CommandRefused('usage', '--trust takes a verifier key: <name>+<id>+<base64>', EXIT.usage)
}

type Asked = { readonly dir: string; readonly tenantId: string; readonly gatewayUrl: string }

/**
 * The key that speaks for a log: the one named; else the one that this folder's earlier checkpoint was trusted by; else that of
 * the stack that runs on this folder. Never one that the server hands out now: it could hand out another.
 */
export function trustFor(named: string | boolean | undefined, { dir, tenantId, gatewayUrl }: Asked): Trust | null {
  if (typeof named === 'string') return parseTrust(named)
  const pinned = readPin(dir, tenantId)
  if (pinned !== null) return parseTrust(pinned.vkey)
  const run = findRunFile(dir)
  return run !== null && run.gateway_url === gatewayUrl ? parseTrust(run.log_vkey) : null
}
