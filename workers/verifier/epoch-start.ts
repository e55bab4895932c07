import { z } from 'zod'
import { closeReceipts } from '../../domain/audit/epoch-certificate.ts'
import { genesisStart, type WalkStart } from '../../domain/audit/walk-start.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { AuditLedgerApi } from '../../domain/contracts/durable-objects.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { frontierOfEdge, readEdge } from '../../domain/merkle/edge.ts'
import type { Edge } from '../../domain/merkle/tiles.ts'
import type { Sql } from '../runtime/database.ts'
import { type CertificateChain, loadCertificates, type SignedCertificate, startAfter } from './epoch-certificate.ts'
import type { Finding } from './finding.ts'
import type { ReceiptSigner } from './receipt.ts'
import { tileReader } from './receipt-store.ts'

type Tools = { readonly sql: Sql; readonly bucket: R2Bucket; readonly signer: ReceiptSigner }

/** Where the rows that are stored begin, and what speaks for those that are not. */
export type Beginning = {
  readonly start: WalkStart
  /** The tree's tiles go on from here. */
  readonly edge: Edge
  readonly certificates: readonly SignedCertificate[]
}

/**
 * The start of the walk over a tenant's rows: genesis, or the end of the certificate in front of the first stored row (L5). Rows are
 * looked at before certificates, which are stored before any row goes: what a drop in between removed is certified here.
 */
async function startOf(tools: Tools, ledger: AuditLedgerApi, log: TenantId): Promise<Beginning | Finding> {
  const first = await firstStoredRow(tools.sql, log)
  const chain = await loadCertificates(tools, log)
  if ('kind' in chain) return chain
  const before = chain.certificates.findLast(({ lastSeq }) => first === null || lastSeq < first.seq)
  const start = before === undefined ? genesisStart(log) : startAfter(before)
  const finding = forgotten(chain, start) ?? (await unexplainedGap(ledger, first, start))
  return finding ?? { start, edge: await edgeOf(tools.bucket, log, start), certificates: chain.certificates }
}

/** The tiles are whatever the bucket holds; that they are the certificate's tree is shown by its frontier. */
async function edgeOf(bucket: R2Bucket, log: TenantId, { seq, frontier }: WalkStart): Promise<Edge> {
  const edge = await readEdge(seq, seq, tileReader(bucket, log))
  const isCertified = frontierOfEdge(edge).every((hash, at) =>
    equalConstantTime(hash, frontier[at] ?? new Uint8Array()),
  )
  if (!isCertified) throw new Error('the tiles of a certified size are not those of its tree')
  return edge
}

/** Postgres lost a certificate of rows that are gone. With the rows still there, a run only broke off before it came to Postgres. */
function forgotten({ certificates, unremembered }: CertificateChain, start: WalkStart): Finding | null {
  const lost = certificates.find(({ epoch, lastSeq }) => lastSeq <= start.seq && unremembered.has(epoch))
  if (lost === undefined) return null
  const detail = { epoch: String(lost.epoch), reason: 'forgotten' }
  return { kind: 'certificate_inconsistent', seq: lost.lastSeq, detail }
}

type Place = { readonly epoch: number; readonly seq: number }

/**
 * Rows in front of the first stored one that no certificate speaks for. When the ledger knows the first of them to be of an epoch that
 * still has rows, single rows were deleted, and the walk says so; otherwise whole epochs were pruned.
 */
async function unexplainedGap(ledger: AuditLedgerApi, first: Place | null, start: WalkStart): Promise<Finding | null> {
  const missing = start.seq + 1
  if (first === null || first.seq <= missing) return null
  const [kept] = await ledger.rowsFrom(missing, 1)
  if (kept?.seq === missing && kept.epoch === first.epoch) return null
  return { kind: 'pruned_without_certificate', seq: missing, detail: { first_stored: String(first.seq) } }
}

async function firstStoredRow(sql: Sql, log: TenantId): Promise<Place | null> {
  const [row] = await sql`
    select epoch, seq from flarewatch.audit_log where tenant_id = ${log} order by epoch, seq limit 1`
  return row === undefined ? null : z.object({ epoch: z.int(), seq: z.number() }).parse(row)
}

/**
 * What there is to know before the walk: where it begins, and that what certificates and receipts say of the rows in front of it, and of
 * each other, agrees. Certificates are earlier receipts too: their roots join those in `earlier`.
 */
export async function beginningOf(
  tools: Tools,
  ledger: AuditLedgerApi,
  log: TenantId,
  earlier: Map<number, Uint8Array>,
): Promise<Beginning | Finding> {
  const beginning = await startOf(tools, ledger, log)
  if ('kind' in beginning) return beginning
  return joinRoots(beginning.certificates, earlier) ?? (await checkClosedReceipts(tools.sql, beginning)) ?? beginning
}

/** A size with two roots is a finding. */
function joinRoots(certificates: readonly SignedCertificate[], earlier: Map<number, Uint8Array>): Finding | null {
  for (const { epoch, lastSeq, root } of certificates) {
    const signed = earlier.get(lastSeq)
    if (signed !== undefined && !equalConstantTime(signed, root)) {
      return { kind: 'receipt_inconsistent', seq: lastSeq, detail: { epoch: String(epoch) } }
    }
    earlier.set(lastSeq, root)
  }
  return null
}

/** The receipts that a certificate closed must still be those: of the rows that are gone, nothing else says what they were. */
async function checkClosedReceipts(sql: Sql, { certificates, start }: Beginning): Promise<Finding | null> {
  for (const { log, epoch, firstSeq, lastSeq, receipts } of certificates.filter((each) => each.lastSeq <= start.seq)) {
    const closed = closeReceipts(await receiptsBetween(sql, log, firstSeq, lastSeq))
    if (closed.count === receipts.count && equalConstantTime(closed.digest, receipts.digest)) continue
    return { kind: 'receipt_inconsistent', seq: lastSeq, detail: { epoch: String(epoch) } }
  }
  return null
}

const RememberedRoot = z.object({ size: z.number(), root: z.instanceof(Uint8Array) })
export type RememberedRoot = { readonly size: number; readonly root: Uint8Array }

/** One receipt every five minutes is 8,928 a month, so those of an epoch fit into memory. */
export async function receiptsBetween(sql: Sql, log: TenantId, first: number, last: number): Promise<RememberedRoot[]> {
  const rows = await sql`
    select size, root from flarewatch.receipts where log = ${log} and size between ${first} and ${last} order by size`
  return z.array(RememberedRoot).parse(rows)
}
