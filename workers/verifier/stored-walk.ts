import type { AuditLedgerApi } from '../../domain/contracts/durable-objects.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { TileCutter } from '../../domain/merkle/tiles.ts'
import { type Beginning, beginningOf } from './epoch-start.ts'
import type { Finding } from './finding.ts'
import type { Instruments } from './verify-tenant.ts'
import { type Walk, walkChain } from './walk.ts'

export type StoredWalk = Beginning & { readonly walk: Walk }

/** Walks the rows that are stored, from the first that was not pruned. Joins the roots of certificates into `earlier`. */
export async function walkStored(
  tools: Pick<Instruments, 'sql' | 'bucket' | 'signer'>,
  ledger: AuditLedgerApi,
  tenantId: TenantId,
  earlier: Map<number, Uint8Array>,
  tiledSize: number,
): Promise<StoredWalk | Finding> {
  for (let prunedUpTo: number | null = null; ; ) {
    const beginning = await beginningOf(tools, ledger, tenantId, earlier)
    if ('kind' in beginning) return beginning
    const { start, edge } = beginning
    const walk = await walkChain(tools.sql, tenantId, start, earlier, new TileCutter(tiledSize, edge))
    // An epoch that leaves between the look at where the rows begin and the walk makes a gap in front: so look once more.
    const isGapInFront = walk.broken?.seq === start.seq + 1
    if (!isGapInFront || prunedUpTo === start.seq) return { ...beginning, walk }
    prunedUpTo = start.seq
  }
}
