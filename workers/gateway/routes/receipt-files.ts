import { z } from 'zod'
import { toBase64 } from '../../../domain/bytes.ts'
import { TenantId } from '../../../domain/contracts/ids.ts'
import { consistencyProofFromTiles } from '../../../domain/merkle/tiles.ts'
import { certifiedEpochs, isSigned, readCertificate, readNewest, readReceipt, tileReader } from '../receipt-bucket.ts'
import { Refusal } from '../refusal.ts'
import { type Handler, parseId } from '../visit.ts'

/** Receipts are public: they name a log and commit to its rows, and say nothing about what the rows hold. */

/** A size as a path segment: decimal, no leading zero, so that one receipt has one address. */
const Size = z
  .string()
  .regex(/^[1-9]\d{0,14}$/)
  .transform(Number)

const Epoch = z
  .string()
  .regex(/^\d{6}$/)
  .transform(Number)

const NEWEST_CACHE = 'public, max-age=60'
const FOREVER_CACHE = 'public, max-age=31536000, immutable'

export const newestReceipt: Handler = async (request, { bindings }) => {
  const log = parseId(request.params.log, TenantId)
  return text(found(await readNewest(bindings, log)), NEWEST_CACHE)
}

export const receiptOfSize: Handler = async (request, { bindings }) => {
  const log = parseId(request.params.log, TenantId)
  const size = parseId(request.params.size, Size)
  return text(found(await readReceipt(bindings, log, size)), FOREVER_CACHE)
}

/** The epochs whose rows a certificate speaks for, YYYYMM, one a line, oldest first; none for a log that is whole, or unknown. */
export const epochs: Handler = async (request, { bindings }) => {
  const log = parseId(request.params.log, TenantId)
  const certified = await certifiedEpochs(bindings, log)
  return text(certified.map(({ epoch }) => `${epoch}\n`).join(''), NEWEST_CACHE)
}

export const epochCertificate: Handler = async (request, { bindings }) => {
  const log = parseId(request.params.log, TenantId)
  const epoch = parseId(request.params.epoch, Epoch)
  return text(found(await readCertificate(bindings, log, epoch)), FOREVER_CACHE)
}

/** That the log at `to` begins with the log at `from` (RFC 9162 section 2.1.4): one base64 hash a line. */
export const consistency: Handler = async (request, { bindings }) => {
  const log = parseId(request.params.log, TenantId)
  const from = parseId(request.params.from, Size)
  const to = parseId(request.params.to, Size)
  if (from > to) throw new Refusal('not_found')
  const signed = await Promise.all([from, to].map((size) => isSigned(bindings, log, size)))
  if (signed.includes(false)) throw new Refusal('not_found')
  const proof = await consistencyProofFromTiles(from, to, tileReader(bindings, log))
  return text(proof.map((hash) => `${toBase64(hash)}\n`).join(''), FOREVER_CACHE)
}

function found(note: string | null): string {
  if (note === null) throw new Refusal('not_found')
  return note
}

function text(body: string, cacheControl: string): Response {
  return new Response(body, { headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': cacheControl } })
}
