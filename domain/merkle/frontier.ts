import { concat } from '../bytes.ts'
import { emptyRoot, hashChildren, hashLeaf } from './tree.ts'

/** A size is a safe integer and has at most as many ones in binary. */
export const MAX_FRONTIER = 53

/** Whether that many hashes can be the frontier of a tree of that size. */
export function isFrontierOf(size: number, hashes: readonly Uint8Array[]): boolean {
  return Number.isSafeInteger(size) && size >= 0 && hashes.length === onesOf(size)
}

/**
 * A growing tree of which only the right edge is kept: the hashes of the perfect subtrees that its size is the sum of,
 * largest first. Enough for the root at every size, in memory that grows with the logarithm.
 */
export class MerkleFrontier {
  #size = 0
  #hashes: Uint8Array[] = []

  /** Null where the hashes cannot be the frontier of a tree of that size. */
  static resume(size: number, hashes: readonly Uint8Array[]): MerkleFrontier | null {
    if (!isFrontierOf(size, hashes)) return null
    const frontier = new MerkleFrontier()
    frontier.#size = size
    frontier.#hashes = hashes.map((hash) => concat(hash))
    return frontier
  }

  get size(): number {
    return this.#size
  }

  get hashes(): readonly Uint8Array[] {
    return [...this.#hashes]
  }

  append(leafData: Uint8Array): void {
    let hash = hashLeaf(leafData)
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      const left = this.#hashes.pop()
      if (left !== undefined) hash = hashChildren(left, hash)
    }
    this.#hashes.push(hash)
    this.#size += 1
  }

  root(): Uint8Array {
    const [last, ...others] = this.#hashes.toReversed()
    if (last === undefined) return emptyRoot()
    return others.reduce((right, left) => hashChildren(left, right), last)
  }
}

function onesOf(size: number): number {
  let ones = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2
  return ones
}
