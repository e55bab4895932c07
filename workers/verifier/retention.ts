import { z } from 'zod'
import { genesisStart } from '../../domain/audit/walk-start.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { edgeTiles, readEdge } from '../../domain/merkle/edge.ts'
import { consistencyProofFromTiles } from '../../domain/merkle/tiles.ts'
import { verifyConsistency } from '../../domain/merkle/tree.ts'
import { closeReceipts, type EpochCertificate } from '../../domain/note/epoch-certificate.ts'
import { type Sql, sqlStateOf } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import { loadCertificates, signCertificate, startAfter, storeCertificate } from './epoch-certificate.ts'
import { receiptsOf } from './epoch-start.ts'
import { raiseIncident } from './incidents.ts'
import type { Instruments } from './instruments.ts'
import type { Receipt } from './receipt.ts'
import { newestReceipt, publishTiles, tileReader } from './receipt-store.ts'
import { openRemembered, signedStates } from './signed-states.ts'
import { type Walk, walkChain } from './walk.ts'

/** L5: an epoch is due when it ended twelve months ago. `flarewatch.retention_ends` judges by the same and has the last word. */
export const RETENTION_MONTHS = 12

export type RetentionTools = Pick<Instruments, 'sql' | 'bucket' | 'signer' | 'at'>
/** Why an epoch that is due cannot leave yet. */
export type Hold = { readonly epoch: number; readonly tenantId: TenantId | null; readonly code: string }
export type RetentionSummary = {
  readonly certified: number
  readonly dropped: readonly number[]
  readonly held: readonly Hold[]
}

/**
 * Certifies each epoch that is due for each tenant with rows in it, and drops it when all are certified, oldest first. Every step is
 * stored before the next and made once: a run that broke off is taken up by the next where it was.
 */
export async function retain(tools: RetentionTools): Promise<RetentionSummary> {
  const dropped: number[] = []
  let certified = 0
  for (const epoch of await dueEpochs(tools.sql, tools.at)) {
    const held: Hold[] = []
    for (const share of await sharesOf(tools.sql, epoch)) {
      const { tenantId } = share
      const outcome = await attempt(tools, share)
      if (outcome === 'certified') certified += 1
      else if (outcome !== 'standing') held.push({ epoch, tenantId, code: outcome })
    }
    if (held.length === 0) {
      const refusal = await dropEpoch(tools, epoch)
      if (refusal === null) dropped.push(epoch)
      else held.push({ epoch, tenantId: null, code: refusal })
    }
    await reportHeld(tools, held)
    // A later epoch leaves only after this one: what its certificates follow on would be missing.
    if (held.length > 0) return { certified, dropped, held }
  }
  return { certified, dropped, held: [] }
}

/** Epochs of the partitions that are past the retention, oldest first. */
async function dueEpochs(sql: Sql, at: Date): Promise<number[]> {
  const month = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - RETENTION_MONTHS))
  const firstKept = month.getUTCFullYear() * 100 + month.getUTCMonth() + 1
  const rows = await sql`
    select leaf.relname as name from pg_catalog.pg_inherits join pg_catalog.pg_class as leaf on leaf.oid = pg_inherits.inhrelid
    where pg_inherits.inhparent = 'flarewatch.audit_log'::regclass`
  const names = z.array(z.object({ name: z.string() })).parse(rows)
  return names
    .map(({ name }) => Number(name.slice('audit_log_'.length)))
    .filter((epoch) => epoch < firstKept)
    .sort((one, other) => one - other)
}

/** A tenant's part of an epoch: what is to be certified. */
type Share = {
  readonly tenantId: TenantId
  readonly epoch: number
  readonly lastSeq: number
  readonly rows: number
}

async function sharesOf(sql: Sql, epoch: number): Promise<Share[]> {
  const shares = await sql`
    select tenant_id, max(seq) as last_seq, count(*) as rows from flarewatch.audit_log where epoch = ${epoch}
    group by tenant_id order by tenant_id`
  return z
    .array(z.object({ tenant_id: TenantId, last_seq: z.number(), rows: z.number() }))
    .parse(shares)
    .map(({ tenant_id, last_seq, rows }) => ({ tenantId: tenant_id, epoch, lastSeq: last_seq, rows }))
}

type Outcome =
  | 'certified'
  /** Earlier, in both stores. */
  | 'standing'
  | 'chain_broken'
  | 'receipt_inconsistent'
  | 'certificate_inconsistent'
  | 'receipt_unreadable'
  | 'not_signed'
  | 'failed'

/** What happens to one tenant keeps none of the others from being certified. */
async function attempt(tools: RetentionTools, share: Share): Promise<Outcome> {
  const { tenantId } = share
  try {
    return await certify(tools, share)
  } catch (error) {
    const sqlstate = sqlStateOf(error)
    log('verifier', 'error', 'epoch.uncertified', { tenant_id: tenantId, ...(sqlstate === null ? {} : { sqlstate }) })
    return 'failed'
  }
}

/**
 * A certificate says of an epoch's rows what a receipt has vouched for before: it is signed only when they chain on from the last
 * certificate, give the root of every receipt on the way, and are the beginning of the newest receipt's tree.
 */
async function certify(tools: RetentionTools, { tenantId, epoch, lastSeq, rows }: Share): Promise<Outcome> {
  const chain = await loadCertificates(tools, tenantId)
  if ('kind' in chain) return 'certificate_inconsistent'
  const standing = chain.certificates.find((certificate) => certificate.epoch === epoch)
  if (standing !== undefined && !chain.unremembered.has(epoch)) return 'standing'
  const newest = await newestReceipt(tools.bucket, tenantId, tools.signer)
  if (newest === 'unreadable') return 'receipt_unreadable'
  if (newest === 'none' || newest.receipt.size < lastSeq) return 'not_signed'

  const before = chain.certificates.findLast((certificate) => certificate.epoch < epoch)
  const start = before === undefined ? genesisStart(tenantId) : startAfter(before)
  const remembered = await receiptsOf(tools.sql, tenantId, start.seq, lastSeq)
  const receipts = await openRemembered(tenantId, remembered, tools.signer)
  if ('kind' in receipts) return 'receipt_inconsistent'
  const limit = lastSeq - start.seq
  const walk = await walkChain(tools.sql, tenantId, { start, limit, earlier: signedStates(receipts), cutter: null })
  // As many rows as are in the epoch: none of another one stands between.
  if (walk.broken !== null || walk.size !== lastSeq || rows !== limit) return 'chain_broken'
  if (walk.contradicted.length > 0 || !(await isBeginningOf(tools, walk, newest.receipt))) return 'receipt_inconsistent'
  const { seq, hash: lastHash, at: lastAt, frontier } = walk.end
  return publish(tools, newest.receipt, {
    epoch,
    firstSeq: start.seq + 1,
    lastSeq: seq,
    lastHash,
    lastAt,
    root: walk.root,
    frontier,
    receipts: closeReceipts(receipts),
    previous: before?.textHash ?? null,
    at: tools.at.getTime(),
  })
}

/** As with a receipt, the tiles come first: a published size always has its proofs. */
async function publish(
  { sql, bucket, signer }: RetentionTools,
  newest: Receipt,
  unsigned: Omit<EpochCertificate, 'origin'>,
): Promise<Outcome> {
  const edge = await readEdge(unsigned.lastSeq, newest.size, tileReader(bucket, newest.log))
  await publishTiles(bucket, newest.log, edgeTiles(edge))
  const certificate = await signCertificate(newest.log, unsigned, signer)
  const standing = await storeCertificate({ sql, bucket, signer }, certificate)
  return standing === null ? 'certificate_inconsistent' : 'certified'
}

async function isBeginningOf({ bucket }: RetentionTools, { size, root }: Walk, newest: Receipt): Promise<boolean> {
  const proof = await consistencyProofFromTiles(size, newest.size, tileReader(bucket, newest.log))
  return verifyConsistency({ from: size, to: newest.size, fromRoot: root, toRoot: newest.root, proof })
}

/** Null when the partition is gone; else why the database refuses, which judges all of it by itself. */
async function dropEpoch({ sql, at }: RetentionTools, epoch: number): Promise<string | null> {
  const [year, month] = [Math.floor(epoch / 100), epoch % 100]
  const day = new Date(Date.UTC(year, month - 1, 1)).toISOString().slice(0, 10)
  try {
    await sql`select flarewatch.drop_month(${day}::date, ${at})`
    return null
  } catch (error) {
    const sqlstate = sqlStateOf(error)
    if (sqlstate === null) throw error
    return DROP_REFUSALS[sqlstate] ?? `sqlstate_${sqlstate.toLowerCase()}`
  }
}

const DROP_REFUSALS: Readonly<Record<string, string>> = {
  '55P03': 'log_busy',
  FW130: 'month_too_young',
  FW131: 'older_month_stands',
  FW132: 'certificate_missing',
  FW133: 'certificate_mismatch',
}

/** What passes by itself is tried again tomorrow, and accuses nobody. */
const TRANSIENT: ReadonlySet<string> = new Set(['failed', 'log_busy'])

async function reportHeld({ sql, at }: RetentionTools, held: readonly Hold[]): Promise<void> {
  for (const { epoch, tenantId, code } of held.filter((hold) => !TRANSIENT.has(hold.code))) {
    await raiseIncident(sql, tenantId, { kind: 'epoch_held', seq: null, detail: { epoch: String(epoch), code } }, at)
  }
}
