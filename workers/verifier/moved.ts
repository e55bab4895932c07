import { hashRow } from '../../domain/audit/row.ts'
import { genesisStart, type WalkStart } from '../../domain/audit/walk-start.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { frontierOfEdge, readEdge } from '../../domain/merkle/edge.ts'
import { MerkleFrontier } from '../../domain/merkle/frontier.ts'
import { TileCutter } from '../../domain/merkle/tiles.ts'
import { loadCertificates } from './epoch-certificate.ts'
import { startOf } from './epoch-start.ts'
import type { Finding } from './finding.ts'
import type { Instruments } from './instruments.ts'
import { publish } from './publish.ts'
import type { Receipt } from './receipt.ts'
import {
  largestRemembered,
  type NewestReceipt,
  newestReceipt,
  type RememberedReceipt,
  rememberedReceipts,
  tileReader,
} from './receipt-store.ts'
import { openRemembered, signedStates } from './signed-states.ts'
import { rowsBetween } from './stored-chain.ts'
import type { KnownTenant } from './tenants.ts'
import type { Verdict } from './verdict.ts'
import { loadState } from './verification-state.ts'
import { walkAndJudge } from './walk-step.ts'

type Newest = NewestReceipt | 'none'

/** From the newest receipt on: walks the rows that no receipt covers yet, up to the limit, and signs them when they are sound. */
export async function signMoved(tools: Instruments, tenant: KnownTenant): Promise<Verdict> {
  const { tenantId } = tenant
  const newest = await newestReceipt(tools.bucket, tenantId, tools.signer)
  if (newest === 'unreadable') return inconsistent(await largestRemembered(tools.sql, tenantId), 'newest')
  const signedSize = newest === 'none' ? 0 : newest.receipt.size
  const head = await tools.ledgerOf(tenantId).head()
  if (head.flushedSeq === signedSize && head.seq === signedSize) return { kind: 'unmoved' }
  const { state } = await loadState(tools.bucket, tenantId, tools.signer)
  if (state === 'forged' || state.last?.sound === false) return { kind: 'withheld' }
  const verdict = await walkFrom(tools, tenant, newest)
  return verdict.kind === 'finding'
    ? { kind: 'finding', finding: await nameFromStart(tools, tenant, signedSize, verdict.finding) }
    : verdict
}

async function walkFrom(tools: Instruments, { tenantId, firstHash }: KnownTenant, newest: Newest): Promise<Verdict> {
  const pending = await pendingReceipts(tools, tenantId, newest)
  if ('kind' in pending) return { kind: 'finding', finding: pending }
  const from = await goOnFrom(tools, tenantId, newest)
  if ('kind' in from) return { kind: 'finding', finding: from }
  const { walk, finding, witnessed } = await walkAndJudge(tools, tenantId, firstHash, {
    ...from,
    limit: tools.limits.signedRows,
    earlier: signedStates(pending),
    largestSigned: Math.max(from.start.seq, ...pending.map(({ size }) => size)),
  })
  if (finding !== null) return { kind: 'finding', finding }
  if (walk.exhausted || witnessed) return publish(tools, tenantId, walk, newest, pending)
  // Nobody but Postgres vouches for rows in the middle of a log that the ledger dropped long ago.
  throw new Error('unsigned rows are older than the ledger keeps')
}

/** More than ever wait: each is of a run that broke off between Postgres and the bucket. */
const MAX_PENDING = 64

/** Receipts that Postgres has and the bucket does not point to yet. The newest that it points to must be there too. */
async function pendingReceipts(
  { sql, signer }: Instruments,
  log: TenantId,
  newest: Newest,
): Promise<readonly Receipt[] | Finding> {
  const signedSize = newest === 'none' ? 0 : newest.receipt.size
  const range = { above: Math.max(signedSize - 1, 0), upTo: Number.MAX_SAFE_INTEGER, limit: MAX_PENDING }
  const remembered = await rememberedReceipts(sql, log, range)
  if (newest === 'none') return openRemembered(log, remembered, signer)
  const [first, ...pending] = remembered
  return differenceAt(newest.receipt, first) ?? openRemembered(log, pending, signer)
}

function differenceAt({ size, note, root, chainHead }: Receipt, found: RememberedReceipt | undefined): Finding | null {
  if (found?.size !== size) return { kind: 'receipt_missing', seq: size, detail: { missing_in: 'postgres' } }
  const same =
    found.note === note && equalConstantTime(found.root, root) && equalConstantTime(found.chain_head, chainHead)
  return same
    ? null
    : { kind: 'receipt_inconsistent', seq: size, detail: { differs: found.note === note ? 'columns' : 'note' } }
}

/** What the newest receipt closed. Its tree is in the bucket and its last row in Postgres; the signature says whether they are true. */
async function goOnFrom(
  tools: Instruments,
  log: TenantId,
  newest: Newest,
): Promise<{ readonly start: WalkStart; readonly cutter: TileCutter } | Finding> {
  if (newest === 'none') return { start: genesisStart(log), cutter: new TileCutter(0) }
  const { size, root, chainHead } = newest.receipt
  const edge = await readEdge(size, size, tileReader(tools.bucket, log)).catch((error: unknown) => {
    if (error instanceof RangeError) return null
    throw error
  })
  const frontier = edge === null ? [] : frontierOfEdge(edge)
  const signedRoot = MerkleFrontier.resume(size, frontier)?.root()
  if (edge === null || signedRoot === undefined || !equalConstantTime(signedRoot, root)) {
    return { kind: 'receipt_inconsistent', seq: size, detail: { differs: 'tiles' } }
  }
  const at = await timeOfLastRow(tools, newest.receipt)
  if (typeof at !== 'number') return at
  return { start: { seq: size, hash: chainHead, at, frontier }, cutter: new TileCutter(size, edge) }
}

/** The last row that the receipt closed, as Postgres has it; where it was pruned and nothing came after it, as its certificate has it. */
async function timeOfLastRow(tools: Instruments, { log, size, chainHead }: Receipt): Promise<number | Finding> {
  const [last, ...others] = await rowsBetween(tools.sql, log, size, size)
  const isIntact = last?.ok === true && others.length === 0 && equalConstantTime(hashRow(last.row), chainHead)
  if (isIntact) return last.row.at
  const edited = { kind: 'row_edited', seq: size, detail: { signed: 'last_row' } } as const
  if (last !== undefined) return edited
  const chain = await loadCertificates(tools, log)
  if ('kind' in chain) return chain
  const closing = chain.certificates.at(-1)
  const isClosed = closing?.lastSeq === size && equalConstantTime(closing.lastHash, chainHead)
  return isClosed ? closing.lastAt : edited
}

/**
 * What is wrong shows at the newest receipt, and may have begun before it: so a log that one step can walk is walked from its
 * start before the finding is named.
 */
async function nameFromStart(
  tools: Instruments,
  tenant: KnownTenant,
  signedSize: number,
  found: Finding,
): Promise<Finding> {
  const { sql, signer, limits } = tools
  const beginning = await startOf(tools, tenant.tenantId)
  if ('kind' in beginning) return beginning
  const { start } = beginning
  if (signedSize - start.seq >= limits.walkedRows) return found
  const range = { above: start.seq, upTo: signedSize, limit: limits.receipts }
  const receipts = await openRemembered(tenant.tenantId, await rememberedReceipts(sql, tenant.tenantId, range), signer)
  if ('kind' in receipts) return receipts
  const { finding } = await walkAndJudge(tools, tenant.tenantId, tenant.firstHash, {
    start,
    limit: limits.walkedRows,
    earlier: signedStates(receipts),
    cutter: null,
    largestSigned: signedSize,
  })
  return finding ?? found
}

function inconsistent(seq: number, differs: string): Verdict {
  return { kind: 'finding', finding: { kind: 'receipt_inconsistent', seq, detail: { differs } } }
}
