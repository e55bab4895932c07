import { createHash, createPrivateKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'

/**
 * Export files, sound and forged, made by plain code from docs/formats.md and the vectors: whoever forges a log has no
 * use for our domain, and its bugs must not forgive each other here.
 */
const RowLine = z.object({
  seq: z.int(),
  row_id: z.string(),
  at: z.int(),
  epoch: z.int(),
  key_version: z.int(),
  previous_hash: z.string(),
  actor_tag: z.string(),
  action_tag: z.string(),
  target_tag: z.string(),
  sealed: z.string(),
  hash: z.string(),
})
export type RowLine = z.infer<typeof RowLine>
export type Export = { readonly header: string; readonly rows: readonly RowLine[]; readonly note: string }
export type Random = (below: number) => number

const Report = z.object({
  ok: z.boolean(),
  rows: z.int(),
  first_seq: z.int().nullable(),
  last_seq: z.int().nullable(),
  head: z.string().nullable(),
  anchored: z.boolean(),
  certificate: z.object({ epoch: z.int(), last_seq: z.int() }).nullable(),
  failure: z.object({ seq: z.int(), code: z.string() }).nullable(),
})
const VectorFile = z.object({
  name: z.string(),
  trusted: z.string().nullable(),
  report: Report,
  lines: z.string().array(),
})

export const { files: VECTORS } = vector('export', z.object({ files: VectorFile.array() }))
const { signer_key: SIGNER_KEY, vkey: VKEY } = vector(
  'checkpoint',
  z.object({ signer_key: z.string(), vkey: z.string() }),
)
const [LOG_NAME = ''] = VKEY.split('+')
const TENANT_ID = '34da68f5-58bb-4e20-9224-692db46b35e7'
const LOG_KEY = Buffer.from(SIGNER_KEY.split('+').slice(4).join('+'), 'base64').subarray(1)
export const TRUSTED = VKEY
export const ANOTHER_KEY = Buffer.alloc(32, 7)

/** A log of `count` rows over two months, signed by the vectors' key or another. */
export function soundExport(count: number, random: Random, key: Buffer = LOG_KEY): Export {
  const rows = Array.from({ length: count }, (_, index) => someRow(index + 1, count, random))
  const chained = rechained(rows, 0)
  const header = {
    format: 'flarewatch-audit-export/v1',
    tenant_id: TENANT_ID,
    first_seq: 1,
    previous_hash: genesis().toString('base64'),
    frontier: [],
  }
  return { header: JSON.stringify(header), rows: chained, note: signed(checkpointOf(chained), key) }
}

export function bytesOf({ header, rows, note }: Export): Buffer {
  const lines = [header, ...rows.map((row) => JSON.stringify(row)), JSON.stringify({ checkpoint: note })]
  return Buffer.from(lines.map((line) => `${line}\n`).join(''))
}

/** The rows with hashes that fit, from the one at `start` on. */
export function rechained(rows: readonly RowLine[], start: number): RowLine[] {
  let previous = start === 0 ? genesis() : Buffer.from(rows[start - 1]?.hash ?? '', 'base64')
  return rows.map((row, index) => {
    if (index < start) return row
    const previous_hash = previous.toString('base64')
    previous = hashOf({ ...row, previous_hash })
    return { ...row, previous_hash, hash: previous.toString('base64') }
  })
}

/** The text that a checkpoint of these rows would have, over the signatures of another. */
export function noteWithText(rows: readonly RowLine[], note: string): string {
  return `${checkpointOf(rows)}${note.slice(note.lastIndexOf('\n\n') + 1)}`
}

/** mulberry32: small, seeded, and the same on every machine. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function someRow(seq: number, count: number, random: Random): RowLine {
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => random(256)))
  const at = Date.UTC(2026, 11, 1) + (seq - Math.ceil(count / 2)) * 1000 - 1
  const id = bytes(16).toString('hex')
  return {
    seq,
    row_id: `${id.slice(0, 8)}-${id.slice(8, 12)}-4${id.slice(13, 16)}-8${id.slice(17, 20)}-${id.slice(20)}`,
    at,
    epoch: new Date(at).getUTCFullYear() * 100 + new Date(at).getUTCMonth() + 1,
    key_version: 1 + random(2),
    previous_hash: '',
    actor_tag: bytes(32).toString('base64'),
    action_tag: bytes(32).toString('base64'),
    target_tag: bytes(32).toString('base64'),
    sealed: bytes(285).toString('base64'),
    hash: '',
  }
}

function hashOf(row: RowLine): Buffer {
  const numbers = Buffer.alloc(12)
  numbers.writeUInt32BE(row.epoch, 0)
  numbers.writeBigUInt64BE(BigInt(row.seq), 4)
  const time = Buffer.alloc(12)
  time.writeBigUInt64BE(BigInt(row.at), 0)
  time.writeUInt32BE(row.key_version, 8)
  const fields = [row.previous_hash, row.actor_tag, row.action_tag, row.target_tag]
  return sha256(
    lengthPrefixed(Buffer.from('flarewatch/audit-row/v1')),
    uuid(TENANT_ID),
    numbers,
    uuid(row.row_id),
    time,
    ...fields.map((field) => Buffer.from(field, 'base64')),
    lengthPrefixed(Buffer.from(row.sealed, 'base64')),
  )
}

function checkpointOf(rows: readonly RowLine[]): string {
  const hashes = rows.map(({ hash }) => Buffer.from(hash, 'base64'))
  const head = (hashes.at(-1) ?? genesis()).toString('base64')
  const lines = [`${LOG_NAME}/${TENANT_ID}`, rows.length, rootOf(hashes).toString('base64'), `chain-head ${head}`]
  return `${[...lines, 'time 2026-12-01T02:15:00.007Z'].join('\n')}\n`
}

/** By the definition of RFC 9162 section 2.1.1, not by a frontier as the verifiers do. */
function rootOf(leaves: readonly Buffer[]): Buffer {
  const [first] = leaves
  if (first === undefined) return sha256()
  if (leaves.length === 1) return sha256(Buffer.of(0), first)
  let left = 1
  while (left * 2 < leaves.length) left *= 2
  return sha256(Buffer.of(1), rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left)))
}

function signed(text: string, seed: Buffer): string {
  // RFC 8410: the fixed beginning of an Ed25519 key in PKCS #8; its 32 bytes follow.
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const publicKey = Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
  const id = sha256(Buffer.from(`${LOG_NAME}\n`), Buffer.of(1), publicKey).subarray(0, 4)
  const signature = Buffer.concat([id, sign(null, Buffer.from(text), key)]).toString('base64')
  return `${text}\n— ${LOG_NAME} ${signature}\n`
}

function genesis(): Buffer {
  return sha256(lengthPrefixed(Buffer.from('flarewatch/audit-genesis/v1')), uuid(TENANT_ID))
}

function sha256(...parts: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

function lengthPrefixed(field: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(field.length)
  return Buffer.concat([length, field])
}

function uuid(text: string): Buffer {
  return Buffer.from(text.replaceAll('-', ''), 'hex')
}

function vector<T>(name: string, schema: z.ZodType<T>): T {
  const path = new URL(`../vectors/${name}.json`, import.meta.url)
  return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
}
