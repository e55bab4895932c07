import { equalConstantTime, toHex } from '../../domain/bytes.ts'
import type { LedgerHead } from '../../domain/contracts/durable-objects.ts'
import { type Evidence, firstDivergence } from './divergence.ts'
import type { Finding } from './finding.ts'
import type { Walk, WalkPlan } from './walk.ts'

/** What a tenant's stored rows are held against. */
export type Witnesses = {
  /** The ledger's head before the rows were read: what it had flushed by then must be there. */
  readonly before: LedgerHead
  /** Its head after they were read: no stored row may be beyond it. */
  readonly after: LedgerHead
  /** The ledger's hash at the last stored row; null when it keeps that row no more. */
  readonly keptHash: Uint8Array | null
  readonly rosterFirstHash: Uint8Array | null
  /** What was signed for sizes that the walk could meet. */
  readonly earlier: WalkPlan['earlier']
  /** The largest size that was ever signed, as far as is known. */
  readonly largestSigned: number
}

/** The first thing that is wrong, or null. Whatever shows that something is wrong, the two sides' rows say what and where. */
export async function judge(walk: Walk, witnesses: Witnesses, evidence: Evidence): Promise<Finding | null> {
  const { broken } = walk
  if (broken !== null) {
    const divergence = await firstDivergence(evidence, firstUnsure(walk, witnesses))
    return divergence ?? (await nameBreak(broken, walk, witnesses, evidence))
  }
  if (isRewritten(walk, witnesses)) return nameRewrite(walk, witnesses, evidence)
  // The log goes on behind the limit: what its end tells can be told only there.
  if (!walk.exhausted) return null
  const { before, after, largestSigned } = witnesses
  const detail = lastHashOf(walk)
  if (walk.size < before.flushedSeq) return { kind: 'tail_truncated', seq: walk.size + 1, detail }
  if (walk.size > after.seq)
    return { kind: 'ledger_behind', seq: after.seq + 1, detail: { ledger_hash: toHex(after.hash) } }
  // Fewer rows than were signed, and the ledger agrees: both sides went back, and the receipt remembers.
  if (walk.size < largestSigned) return { kind: 'receipt_inconsistent', seq: walk.size + 1, detail }
  if (!walk.headMatches) return { kind: 'head_mismatch', seq: walk.size, detail }
  return null
}

/** A chain that holds by itself, though not as the chain that a witness saw. */
function isRewritten(walk: Walk, { keptHash, rosterFirstHash }: Witnesses): boolean {
  return walk.contradicted.length > 0 || differs(walk.firstHash, rosterFirstHash) || differs(walk.lastHash, keptHash)
}

function differs(stored: Uint8Array | null, witnessed: Uint8Array | null): boolean {
  return stored !== null && witnessed !== null && !equalConstantTime(stored, witnessed)
}

async function nameRewrite(walk: Walk, witnesses: Witnesses, evidence: Evidence): Promise<Finding> {
  // Where no receipt is contradicted, what differs may be the ledger's, and older than any receipt.
  const from = walk.contradicted.length === 0 ? walk.start.seq + 1 : firstUnsure(walk, witnesses)
  const divergence = await firstDivergence(evidence, from)
  if (divergence !== null) {
    return { kind: 'fork', seq: divergence.seq, detail: { ...divergence.detail, difference: divergence.kind } }
  }
  const [size] = walk.contradicted
  if (size !== undefined) return { kind: 'receipt_inconsistent', seq: size, detail: lastHashOf(walk) }
  return { kind: 'fork', seq: 1, detail: lastHashOf(walk) }
}

/** The first row that no receipt covers any more, so that naming a fault need not read a long log from its start. */
function firstUnsure({ start, size, contradicted }: Walk, { earlier }: Witnesses): number {
  const limit = Math.min(size, (contradicted[0] ?? Number.POSITIVE_INFINITY) - 1)
  return [...earlier.keys()].reduce((last, signed) => (signed <= limit ? Math.max(last, signed) : last), start.seq) + 1
}

type Break = { readonly seq: number; readonly code: string }

/** Where the ledger has no row to compare with: one that it never wrote, or one that it dropped long ago. */
async function nameBreak({ seq, code }: Break, walk: Walk, witnesses: Witnesses, evidence: Evidence): Promise<Finding> {
  const detail = { chain: code }
  if (seq > witnesses.after.seq) return { kind: 'row_inserted', seq, detail }
  switch (code) {
    case 'sequence_gap':
      return { kind: 'row_deleted', seq, detail }
    case 'previous_hash_mismatch': {
      // The row before has another hash than the one that this row was written after, unless somebody vouches for it.
      const [kept] = await evidence.kept(seq - 1)
      const isVouched = firstUnsure(walk, witnesses) === seq || kept?.seq === seq - 1
      return { kind: 'row_edited', seq: isVouched ? seq : Math.max(1, seq - 1), detail }
    }
    default:
      return { kind: 'row_edited', seq, detail }
  }
}

function lastHashOf({ lastHash }: Walk): Record<string, string> {
  return lastHash === null ? {} : { stored_hash: toHex(lastHash) }
}
