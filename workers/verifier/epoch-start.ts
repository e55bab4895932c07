import { z } from 'zod'
import { genesisStart, type WalkStart } from '../../domain/audit/walk-start.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { closeReceipts } from '../../domain/note/epoch-certificate.ts'
import type { Sql } from '../runtime/database.ts'
import { type CertificateChain, loadCertificates, type SignedCertificate, startAfter } from './epoch-certificate.ts'
import type { Finding } from './finding.ts'
import type { Instruments } from './instruments.ts'
import { type RememberedReceipt, rememberedReceipts } from './receipt-store.ts'
import type { SignedState } from './walk.ts'

type Tools = Pick<Instruments, 'sql' | 'bucket' | 'signer' | 'ledgerOf'>

/** Where the rows that are stored begin, and what speaks for those that are not. */
export type Beginning = { readonly start: WalkStart; readonly certificates: readonly SignedCertificate[] }

/**
 * The start of the walk over a tenant's rows: genesis, or the end of the certificate in front of the first stored row (L5). Rows are
 * looked at before certificates, which are stored before any row goes: what a drop in between removed is certified here.
 */
export async function startOf(tools: Tools, log: TenantId): Promise<Beginning | Finding> {
  const first = await firstStoredRow(tools.sql, log)
  // Most logs are whole. A certificate that is in the bucket alone is of a run that broke off before any row went.
  if (first?.seq === 1 && !first.certified) return { start: genesisStart(log), certificates: [] }
  const chain = await loadCertificates(tools, log)
  if ('kind' in chain) return chain
  const before = chain.certificates.findLast(({ lastSeq }) => first === null || lastSeq < first.seq)
  const start = before === undefined ? genesisStart(log) : startAfter(before)
  const finding = forgotten(chain, start) ?? (await unexplainedGap(tools, log, first, start))
  return finding ?? { start, certificates: chain.certificates }
}

/** Postgres lost a certificate of rows that are gone. With the rows still there, a run only broke off before it came to Postgres. */
function forgotten({ certificates, unremembered }: CertificateChain, start: WalkStart): Finding | null {
  const lost = certificates.find(({ epoch, lastSeq }) => lastSeq <= start.seq && unremembered.has(epoch))
  if (lost === undefined) return null
  const detail = { epoch: String(lost.epoch), reason: 'forgotten' }
  return { kind: 'certificate_inconsistent', seq: lost.lastSeq, detail }
}

type FirstRow = { readonly epoch: number; readonly seq: number; readonly certified: boolean }

/**
 * Rows in front of the first stored one that no certificate speaks for. When the ledger knows the first of them to be of an epoch that
 * still has rows, single rows were deleted, and the walk says so; otherwise whole epochs were pruned.
 */
async function unexplainedGap(
  { ledgerOf }: Tools,
  log: TenantId,
  first: FirstRow | null,
  start: WalkStart,
): Promise<Finding | null> {
  const missing = start.seq + 1
  if (first === null || first.seq <= missing) return null
  const [kept] = await ledgerOf(log).rowsFrom(missing, 1)
  if (kept?.seq === missing && kept.epoch === first.epoch) return null
  return { kind: 'pruned_without_certificate', seq: missing, detail: { first_stored: String(first.seq) } }
}

const StoredFirstRow = z.object({ epoch: z.int(), seq: z.number(), certified: z.boolean() })

async function firstStoredRow(sql: Sql, log: TenantId): Promise<FirstRow | null> {
  const [row] = await sql`
    select epoch, seq, exists (select from flarewatch.epoch_certificates where log = ${log}) as certified
    from flarewatch.audit_log where tenant_id = ${log} order by epoch, seq limit 1`
  return row === undefined ? null : StoredFirstRow.parse(row)
}

/** Certificates are earlier receipts too: of epochs whose rows are still there, they join what was signed. A size has one root. */
export function withCertificates(
  earlier: Map<number, SignedState>,
  { start, certificates }: Beginning,
): Map<number, SignedState> | Finding {
  for (const { epoch, lastSeq, root, lastHash } of certificates.filter((each) => each.lastSeq > start.seq)) {
    const signed = earlier.get(lastSeq)
    if (
      signed !== undefined &&
      !(equalConstantTime(signed.root, root) && equalConstantTime(signed.chainHead, lastHash))
    ) {
      return { kind: 'certificate_inconsistent', seq: lastSeq, detail: { epoch: String(epoch), reason: 'receipt' } }
    }
    earlier.set(lastSeq, { root, chainHead: lastHash })
  }
  return earlier
}

/**
 * The receipts that a certificate closed must still be those: of rows that are gone, nothing else says what they were. `above` leaves
 * out the epochs that ended before.
 */
export async function checkClosedReceipts(
  sql: Sql,
  { certificates, start }: Beginning,
  above: number,
): Promise<Finding | null> {
  const passed = certificates.filter(({ lastSeq }) => lastSeq > above && lastSeq <= start.seq)
  for (const { log, epoch, firstSeq, lastSeq, receipts } of passed) {
    const closed = closeReceipts(await receiptsOf(sql, log, firstSeq - 1, lastSeq))
    if (closed.count === receipts.count && equalConstantTime(closed.digest, receipts.digest)) continue
    return { kind: 'receipt_inconsistent', seq: lastSeq, detail: { epoch: String(epoch), differs: 'closed' } }
  }
  return null
}

/** One every five minutes is 8,928 a month. More than twice as many are not read into memory. */
const MAX_EPOCH_RECEIPTS = 20_000

/** Those of one epoch. */
export async function receiptsOf(sql: Sql, log: TenantId, above: number, upTo: number): Promise<RememberedReceipt[]> {
  const receipts = await rememberedReceipts(sql, log, { above, upTo, limit: MAX_EPOCH_RECEIPTS })
  if (receipts.length === MAX_EPOCH_RECEIPTS) throw new RangeError('more receipts than an epoch can have')
  return receipts
}
