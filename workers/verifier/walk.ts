import { ChainJudge } from '../../domain/audit/chain.ts'
import type { WalkStart } from '../../domain/audit/walk-start.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { MerkleFrontier } from '../../domain/merkle/frontier.ts'
import type { TileCutter, WrittenTile } from '../../domain/merkle/tiles.ts'
import { hashLeaf } from '../../domain/merkle/tree.ts'
import type { Sql } from '../runtime/database.ts'
import type { CopiedRow } from './copy-rows.ts'
import { RowHasher } from './row-hasher.ts'
import { readChain, storedHead } from './stored-chain.ts'

/** What was signed for a size. */
export type SignedState = { readonly root: Uint8Array; readonly chainHead: Uint8Array }

export type WalkPlan = {
  readonly start: WalkStart
  /** Rows that are read at most: an invocation may take only so long. */
  readonly limit: number
  /** What was signed for sizes beyond the start; each must still be true. */
  readonly earlier: ReadonlyMap<number, SignedState>
  /** Null where no tiles are wanted, since nothing will be signed. */
  readonly cutter: TileCutter | null
}

/** What one pass over a tenant's stored rows gives. */
export type Walk = {
  readonly start: WalkStart
  /** Where the next walk may begin: the last sound row. */
  readonly end: WalkStart
  /** Whether the log ended before the limit did. */
  readonly exhausted: boolean
  readonly size: number
  readonly root: Uint8Array
  readonly lastHash: Uint8Array | null
  /** Of row 1; null for a walk that began later. */
  readonly firstHash: Uint8Array | null
  readonly tiles: readonly WrittenTile[]
  /** Where the chain breaks by itself; null when it holds from the start to the last row read. */
  readonly broken: { readonly seq: number; readonly code: string } | null
  /** The sizes for which something else was signed than today's rows give, smallest first. */
  readonly contradicted: readonly number[]
  /** Whether `audit_heads` names the last row. Says nothing before the log is exhausted. */
  readonly headMatches: boolean
}

/** Reads rows of one snapshot from a start on, in order, and checks chain, what was signed, and head along the way. */
export async function walkChain(sql: Sql, tenantId: TenantId, plan: WalkPlan): Promise<Walk> {
  return sql.begin('isolation level repeatable read read only', async (snapshot) => {
    const pass = new Pass(tenantId, plan)
    await readChain(snapshot, tenantId, plan.start, plan.limit, (row) => pass.take(row))
    return pass.result(await storedHead(snapshot, tenantId))
  })
}

class Pass {
  readonly #plan: WalkPlan
  readonly #chain: ChainJudge<CopiedRow>
  readonly #tree: MerkleFrontier
  readonly #contradicted: number[] = []
  #read = 0
  #broken: Walk['broken'] = null
  #firstHash: Uint8Array | null = null

  constructor(tenantId: TenantId, plan: WalkPlan) {
    const hasher = new RowHasher(tenantId)
    this.#plan = plan
    this.#chain = new ChainJudge(tenantId, plan.start, (row) => hasher.hash(row))
    this.#tree = treeOf(plan.start)
  }

  /** Takes the next row. Once the chain is broken, nothing after that can be judged. */
  take(row: CopiedRow | null): void {
    this.#read += 1
    if (this.#broken !== null) return
    this.#broken = row === null ? { seq: this.#chain.head.seq + 1, code: 'row_malformed' } : this.#chain.feed(row)
    if (row === null || this.#broken !== null) return
    if (row.seq === 1) this.#firstHash = row.hash
    this.#tree.append(row.hash)
    this.#plan.cutter?.append(hashLeaf(row.hash))
    const signed = this.#plan.earlier.get(row.seq)
    if (signed !== undefined && !this.#holds(signed, row.hash)) this.#contradicted.push(row.seq)
  }

  result(head: { readonly seq: number; readonly hash: Uint8Array } | null): Walk {
    const size = this.#tree.size
    const { hash, at } = this.#chain.head
    return {
      start: this.#plan.start,
      // Copies: what was read are views that would keep a chunk of the stream.
      end: { seq: size, hash: hash.slice(), at, frontier: this.#tree.hashes },
      exhausted: this.#read < this.#plan.limit,
      size,
      root: this.#tree.root(),
      lastHash: size === 0 ? null : hash.slice(),
      firstHash: this.#firstHash?.slice() ?? null,
      tiles: this.#plan.cutter?.tiles() ?? [],
      broken: this.#broken,
      contradicted: this.#contradicted,
      headMatches: size === 0 || (head !== null && head.seq === size && equalConstantTime(head.hash, hash)),
    }
  }

  #holds({ root, chainHead }: SignedState, hash: Uint8Array): boolean {
    return equalConstantTime(chainHead, hash) && equalConstantTime(root, this.#tree.root())
  }
}

function treeOf({ seq, frontier }: WalkStart): MerkleFrontier {
  const tree = MerkleFrontier.resume(seq, frontier)
  if (tree === null) throw new RangeError('a start whose frontier is not that of its size')
  return tree
}
