import { z } from 'zod'
import { fromBase64, toBase64 } from '../bytes.ts'
import { AuditRowId, TenantId } from '../contracts/ids.ts'
import { MAX_FRONTIER } from '../merkle/frontier.ts'
import { failure, type Result, success } from '../result.ts'
import { type AuditRow, HASH_BYTES } from './row.ts'

/** The export file: NDJSON, one header, the rows in order, one checkpoint. Fields that it does not name are passed over. */
export const EXPORT_FORMAT = 'flarewatch-audit-export/v1'
export const MAX_EXPORT_LINE_CHARACTERS = 131_072
const MAX_SEALED_BYTES = 65_536

export type ExportHeader = {
  readonly tenantId: string
  /** 1 for a whole log; more where older months have been pruned. */
  readonly firstSeq: number
  /** Of the row before the first; the genesis hash for a whole log. */
  readonly previousHash: Uint8Array
  /** The Merkle frontier of the rows before the first (`MerkleFrontier`); empty for a whole log. */
  readonly frontier: readonly Uint8Array[]
  /** The signed note that says what the rows before the first were; absent where nothing was pruned. */
  readonly certificate?: string
}
export type ExportedRow = Omit<AuditRow, 'tenantId'>
export type ExportLine =
  | ({ readonly kind: 'header' } & ExportHeader)
  | { readonly kind: 'row'; readonly row: ExportedRow }
  /** A signed note whose size is the last row's seq. */
  | { readonly kind: 'checkpoint'; readonly note: string }

const MAX_U32 = 0xffffffff
const bytes = (refine: (length: number) => boolean) =>
  z.string().transform((text, context) => {
    const decoded = fromBase64(text)
    if (decoded.ok && refine(decoded.value.length)) return decoded.value
    context.addIssue({ code: 'custom', message: 'not the base64 that belongs here' })
    return z.NEVER
  })
const hash = bytes((length) => length === HASH_BYTES)
const seq = z.int().min(1)
const u32 = z.int().min(0).max(MAX_U32)

const HeaderLine = z.object({
  format: z.literal(EXPORT_FORMAT),
  tenant_id: TenantId,
  first_seq: seq,
  previous_hash: hash,
  frontier: z.array(hash).max(MAX_FRONTIER),
  certificate: z.string().optional(),
})
const RowLine = z.object({
  seq,
  row_id: AuditRowId,
  at: z.int().min(0),
  epoch: u32,
  key_version: u32,
  previous_hash: hash,
  actor_tag: hash,
  action_tag: hash,
  target_tag: hash,
  sealed: bytes((length) => length <= MAX_SEALED_BYTES),
  hash,
})
const CheckpointLine = z.object({ checkpoint: z.string() })

/** One line with its newline. */
export function encodeExportLine(line: ExportLine): string {
  return `${JSON.stringify(fieldsOf(line))}\n`
}

function fieldsOf(line: ExportLine): Record<string, unknown> {
  switch (line.kind) {
    case 'header':
      return {
        format: EXPORT_FORMAT,
        tenant_id: line.tenantId,
        first_seq: line.firstSeq,
        previous_hash: toBase64(line.previousHash),
        frontier: line.frontier.map(toBase64),
        ...(line.certificate === undefined ? {} : { certificate: line.certificate }),
      }
    case 'row':
      return rowFields(line.row)
    case 'checkpoint':
      return { checkpoint: line.note }
  }
}

function rowFields(row: ExportedRow): Record<string, unknown> {
  return {
    seq: row.seq,
    row_id: row.rowId,
    at: row.at,
    epoch: row.epoch,
    key_version: row.keyVersion,
    previous_hash: toBase64(row.previousHash),
    actor_tag: toBase64(row.actorTag),
    action_tag: toBase64(row.actionTag),
    target_tag: toBase64(row.targetTag),
    sealed: toBase64(row.sealed),
    hash: toBase64(row.hash),
  }
}

/** A line without its newline. Which kind it is follows from its fields. */
export function parseExportLine(text: string): Result<ExportLine, 'line_malformed'> {
  if (text.length > MAX_EXPORT_LINE_CHARACTERS) return failure('line_malformed')
  const fields = parseJson(text)
  // Nearly every line is a row: what says that it is none is not tried first.
  const header = claimsHeader(fields) ? HeaderLine.safeParse(fields) : null
  if (header?.success) return success(headerOf(header.data))
  const row = RowLine.safeParse(fields)
  if (row.success) return success({ kind: 'row', row: rowOf(row.data) })
  const checkpoint = CheckpointLine.safeParse(fields)
  return checkpoint.success
    ? success({ kind: 'checkpoint', note: checkpoint.data.checkpoint })
    : failure('line_malformed')
}

function claimsHeader(fields: unknown): boolean {
  return typeof fields === 'object' && fields !== null && 'format' in fields && fields.format === EXPORT_FORMAT
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function headerOf(line: z.infer<typeof HeaderLine>): ExportLine {
  return {
    kind: 'header',
    tenantId: line.tenant_id,
    firstSeq: line.first_seq,
    previousHash: line.previous_hash,
    frontier: line.frontier,
    ...(line.certificate === undefined ? {} : { certificate: line.certificate }),
  }
}

function rowOf(line: z.infer<typeof RowLine>): ExportedRow {
  return {
    seq: line.seq,
    rowId: line.row_id,
    at: line.at,
    epoch: line.epoch,
    keyVersion: line.key_version,
    previousHash: line.previous_hash,
    actorTag: line.actor_tag,
    actionTag: line.action_tag,
    targetTag: line.target_tag,
    sealed: line.sealed,
    hash: line.hash,
  }
}
