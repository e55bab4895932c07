import { z } from 'zod'
import { toBase64 } from '../../../domain/bytes.ts'
import { TenantId } from '../../../domain/contracts/ids.ts'
import { newestReceiptKey, receiptKey, tileKey } from '../../../domain/contracts/receipt-store.ts'
import { consistencyProofFromTiles, type Tile } from '../../../domain/merkle/tiles.ts'
import type { Bindings } from '../bindings.ts'
import { Refusal } from '../refusal.ts'
import { type Handler, parseId } from '../visit.ts'

/** Receipts are public: they name a log and commit to its rows, and say nothing about what the rows hold. */

/** A size as a path segment: decimal, no leading zero, so that one receipt has one address. */
const Size = z
  .string()
  .regex(/^[1-9]\d{0,14}$/)
  .transform(Number)

const NEWEST_CACHE = 'public, max-age=60'
const FOREVER_CACHE = 'public, max-age=31536000, immutable'

export const newestReceipt: Handler = async (request, { bindings }) => {
  const log = parseId(request.params.log, TenantId)
  return text(await read(bindings, newestReceiptKey(log)), NEWEST_CACHE)
}

export const receiptOfSize: Handler = async (request, { bindings }) => {
  const log = parseId(request.params.log, TenantId)
  const size = parseId(request.params.size, Size)
  return text(await read(bindings, receiptKey(log, size)), FOREVER_CACHE)
}

/** That the log at `to` begins with the log at `from` (RFC 9162 section 2.1.4): one base64 hash a line. */
export const consistency: Handler = async (request, { bindings }) => {
  const log = parseId(request.params.log, TenantId)
  const from = parseId(request.params.from, Size)
  const to = parseId(request.params.to, Size)
  if (from > to) throw new Refusal('not_found')
  // Only sizes that were signed: of any other the tiles may not be there, and no receipt could be compared.
  const signed = await Promise.all([from, to].map((size) => bindings.RECEIPTS.head(receiptKey(log, size))))
  if (signed.includes(null)) throw new Refusal('not_found')
  const proof = await consistencyProofFromTiles(from, to, (tile) => readTile(bindings, log, tile))
  return text(proof.map((hash) => `${toBase64(hash)}\n`).join(''), FOREVER_CACHE)
}

async function read({ RECEIPTS }: Bindings, key: string): Promise<string> {
  const stored = await RECEIPTS.get(key)
  if (stored === null) throw new Refusal('not_found')
  return stored.text()
}

async function readTile({ RECEIPTS }: Bindings, log: TenantId, tile: Tile): Promise<Uint8Array> {
  const stored = await RECEIPTS.get(tileKey(log, tile))
  if (stored === null) throw new Error('a tile of a signed size is missing')
  return new Uint8Array(await stored.arrayBuffer())
}

function text(body: string, cacheControl: string): Response {
  return new Response(body, { headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': cacheControl } })
}
