import { z } from 'zod'
import type { TenantId } from '../domain/contracts/ids.ts'
import { parseCheckpoint } from '../domain/note/checkpoint.ts'
import { type Arguments, CommandRefused, EXIT } from './command.ts'
import { fetchText } from './http.ts'
import { readPin } from './pins.ts'
import { findRunFile } from './run-file.ts'

export const RECEIPT_OPTIONS = {
  gateway: { type: 'string' },
  'without-receipts': { type: 'boolean', default: false },
} as const

/**
 * The newest checkpoint of a tenant's log: what the gateway publishes, or what this folder has pinned, whichever covers more.
 * The vault judges its signature. A gateway that cannot be asked is a refusal: going on without is for the operator to say.
 */
export async function newestReceipt({ dir, values }: Arguments, tenantId: TenantId): Promise<string | null> {
  const pinned = readPin(dir, tenantId)?.checkpoint ?? null
  if (values['without-receipts'] === true) return pinned
  const published = await publishedReceipt(gatewayUrlOf(dir, values.gateway), tenantId)
  return sizeOf(pinned) > sizeOf(published) ? pinned : published
}

function gatewayUrlOf(dir: string, named: string | boolean | undefined): string {
  const url = z.url({ protocol: /^https?$/ }).safeParse(named ?? findRunFile(dir)?.gateway_url)
  if (url.success) return url.data
  const message = 'Name the gateway that publishes the receipts: --gateway URL. Without any: --without-receipts'
  throw new CommandRefused('usage', message, EXIT.usage)
}

async function publishedReceipt(gatewayUrl: string, tenantId: TenantId): Promise<string | null> {
  try {
    return await fetchText(new URL(`/receipts/${tenantId}`, gatewayUrl).href)
  } catch (error) {
    if (error instanceof CommandRefused && (error.code === 'not_found' || error.code === 'http_404')) return null
    throw error
  }
}

/** By what the note says of itself; whether it is true is the vault's to see. */
function sizeOf(note: string | null): number {
  const [text] = note === null ? [''] : note.split('\n\n', 1)
  const checkpoint = parseCheckpoint(`${text}\n`)
  return checkpoint.ok ? checkpoint.value.size : -1
}
