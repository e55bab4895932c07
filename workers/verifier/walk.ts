import { ChainVerifier } from '../../domain/audit/chain.ts'
import type { WalkStart } from '../../domain/audit/walk-start.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { MerkleFrontier } from '../../domain/merkle/frontier.ts'
import type { TileCutter, WrittenTile } from '../../domain/merkle/tiles.ts'
import { hashLeaf } from '../../domain/merkle/tree.ts'
import type { Sql } from '../runtime/database.ts'
import { type ReadRow, storedHead, streamChain } from './stored-chain.ts'

/** What one pass over a tenant's stored rows gives. */
export type Walk = {
  /** Where the next walk may begin: the last sound row. */
  readonly end: WalkStart
  readonly size: number
  readonly root: Uint8Array
  readonly lastHash: Uint8Array | null
  /** Of row 1; null for a walk that began later. */
  readonly firstHash: Uint8Array | null
  readonly tiles: readonly WrittenTile[]
  /** Where the chain breaks by itself; null when it holds from the first row to the last. */
  readonly broken: { readonly seq: number; readonly code: string } | null
  /** The sizes whose earlier root is not the root of today's rows, smallest first. */
  readonly contradicted: readonly number[]
  /** Whether `audit_heads` names the last row. */
  readonly headMatches: boolean
}

/** Reads the rows of one snapshot from a start on, in order, and checks chain, earlier roots and head along the way. */
export async function walkChain(
  sql: Sql,
  tenantId: TenantId,
  start: WalkStart,
  earlier: ReadonlyMap<number, Uint8Array>,
  cutter: TileCutter,
): Promise<Walk> {
  return sql.begin('isolation level repeatable read read only', async (snapshot) => {
    const pass = new Pass(tenantId, start, earlier, cutter)
    for await (const read of streamChain(snapshot, tenantId, start)) if (!pass.take(read)) break
    const head = await storedHead(snapshot, tenantId)
    return pass.result(head)
  })
}

class Pass {
  readonly #chain: ChainVerifier
  readonly #tree: MerkleFrontier
  readonly #cutter: TileCutter
  readonly #earlier: ReadonlyMap<number, Uint8Array>
  readonly #contradicted: number[] = []
  #broken: Walk['broken'] = null
  #firstHash: Uint8Array | null = null
  #lastHash: Uint8Array | null = null

  constructor(tenantId: TenantId, start: WalkStart, earlier: ReadonlyMap<number, Uint8Array>, cutter: TileCutter) {
    this.#chain = new ChainVerifier(tenantId, start)
    this.#tree = treeOf(start)
    this.#lastHash = start.seq === 0 ? null : start.hash
    this.#cutter = cutter
    this.#earlier = earlier
  }

  /** Takes the next row; false once the chain is broken, since nothing after that can be judged. */
  take(read: ReadRow): boolean {
    this.#broken = read.ok ? this.#chain.feed(read.row) : { seq: read.seq, code: 'row_malformed' }
    if (!read.ok || this.#broken !== null) return false
    const { hash, seq } = read.row
    if (seq === 1) this.#firstHash = hash
    this.#lastHash = hash
    this.#tree.append(hash)
    this.#cutter.append(hashLeaf(hash))
    const root = this.#earlier.get(this.#tree.size)
    if (root !== undefined && !equalConstantTime(root, this.#tree.root())) this.#contradicted.push(this.#tree.size)
    return true
  }

  result(head: { readonly seq: number; readonly hash: Uint8Array } | null): Walk {
    const size = this.#tree.size
    const last = this.#lastHash
    return {
      end: { ...this.#chain.head, frontier: this.#tree.hashes },
      size,
      root: this.#tree.root(),
      firstHash: this.#firstHash,
      lastHash: last,
      tiles: this.#cutter.tiles(),
      broken: this.#broken,
      contradicted: this.#contradicted,
      headMatches: last === null || (head !== null && head.seq === size && equalConstantTime(head.hash, last)),
    }
  }
}

function treeOf({ seq, frontier }: WalkStart): MerkleFrontier {
  const tree = MerkleFrontier.resume(seq, frontier)
  if (tree === null) throw new RangeError('a start whose frontier is not that of its size')
  return tree
}
