import { ChainVerifier } from '../../domain/audit/chain.ts'
import type { EpochCertificate } from '../../domain/audit/epoch-certificate.ts'
import type { WalkStart } from '../../domain/audit/walk-start.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { MerkleFrontier } from '../../domain/merkle/frontier.ts'
import type { Sql } from '../runtime/database.ts'
import type { RememberedRoot } from './epoch-start.ts'
import { streamChain } from './stored-chain.ts'

/** The last row of the epoch, and the tree that it closes. */
export type EpochWalk = Pick<EpochCertificate, 'lastSeq' | 'lastHash' | 'lastAt' | 'root' | 'frontier'>
export type EpochWalkRefusal = 'chain_broken' | 'receipt_inconsistent'

export type UnwalkedEpoch = {
  readonly log: TenantId
  readonly epoch: number
  readonly start: WalkStart
  /** Those that the epoch's rows must agree with. */
  readonly receipts: readonly RememberedRoot[]
}

/** Recomputes a tenant's rows of one epoch from the end of the one before, against every receipt that was signed on the way. */
export async function walkEpoch(
  sql: Sql,
  { log, epoch, start, receipts }: UnwalkedEpoch,
): Promise<EpochWalk | EpochWalkRefusal> {
  const chain = new ChainVerifier(log, start)
  const tree = MerkleFrontier.resume(start.seq, start.frontier)
  if (tree === null) throw new RangeError('a start whose frontier is not that of its size')
  const signed = new Map(receipts.map(({ size, root }) => [size, root]))
  return sql.begin('isolation level repeatable read read only', async (snapshot) => {
    for await (const read of streamChain(snapshot, log, start)) {
      if (read.ok && read.row.epoch > epoch) break
      if (!read.ok || chain.feed(read.row) !== null || read.row.epoch !== epoch) return 'chain_broken'
      tree.append(read.row.hash)
      const root = signed.get(tree.size)
      if (root !== undefined && !equalConstantTime(root, tree.root())) return 'receipt_inconsistent'
    }
    const { seq: lastSeq, hash: lastHash, at: lastAt } = chain.head
    return { lastSeq, lastHash, lastAt, root: tree.root(), frontier: tree.hashes }
  })
}
