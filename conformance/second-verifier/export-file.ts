import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { checkpointText, genesisHash, hashRow, signNote } from '../log-format.ts'
import type { Random } from '../random.ts'

/** Export files, sound and forged, made from docs/formats.md and the vectors. */
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
    previous_hash: genesisHash(TENANT_ID).toString('base64'),
    frontier: [],
  }
  return { header: JSON.stringify(header), rows: chained, note: signNote(checkpointOf(chained), LOG_NAME, key) }
}

export function bytesOf({ header, rows, note }: Export): Buffer {
  const lines = [header, ...rows.map((row) => JSON.stringify(row)), JSON.stringify({ checkpoint: note })]
  return Buffer.from(lines.map((line) => `${line}\n`).join(''))
}

/** The rows with hashes that fit, from the one at `start` on. */
export function rechained(rows: readonly RowLine[], start: number): RowLine[] {
  let previous = start === 0 ? genesisHash(TENANT_ID) : Buffer.from(rows[start - 1]?.hash ?? '', 'base64')
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
  const bytes = (field: 'previous_hash' | 'actor_tag' | 'action_tag' | 'target_tag' | 'sealed') =>
    Buffer.from(row[field], 'base64')
  return hashRow(TENANT_ID, {
    ...row,
    previous_hash: bytes('previous_hash'),
    actor_tag: bytes('actor_tag'),
    action_tag: bytes('action_tag'),
    target_tag: bytes('target_tag'),
    sealed: bytes('sealed'),
  })
}

function checkpointOf(rows: readonly RowLine[]): string {
  const hashes = rows.map(({ hash }) => Buffer.from(hash, 'base64'))
  return checkpointText({ logName: LOG_NAME, tenantId: TENANT_ID, hashes, time: '2026-12-01T02:15:00.007Z' })
}

function vector<T>(name: string, schema: z.ZodType<T>): T {
  const path = new URL(`../vectors/${name}.json`, import.meta.url)
  return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
}
