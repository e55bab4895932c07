import { sha256 } from '@noble/hashes/sha2.js'
import { concat, equalConstantTime } from '../bytes.ts'

/**
 * The Merkle tree of RFC 9162 section 2.1: SHA-256, leaves behind 0x00, inner nodes behind 0x01. What is hashed is put together in
 * one buffer for all: nothing here awaits, and a long log has millions of nodes.
 */
const HASH_BYTES = 32
const leafInput = new Uint8Array(1 + HASH_BYTES)
const nodeInput = new Uint8Array(1 + 2 * HASH_BYTES)
leafInput[0] = 0x00
nodeInput[0] = 0x01

export function hashLeaf(data: Uint8Array): Uint8Array {
  if (data.length !== HASH_BYTES) return sha256(concat(leafInput.subarray(0, 1), data))
  leafInput.set(data, 1)
  return digest(leafInput)
}

export function hashChildren(left: Uint8Array, right: Uint8Array): Uint8Array {
  // A proof from outside may hold anything; it then proves nothing.
  if (left.length !== HASH_BYTES || right.length !== HASH_BYTES)
    return sha256(concat(nodeInput.subarray(0, 1), left, right))
  nodeInput.set(left, 1)
  nodeInput.set(right, 1 + HASH_BYTES)
  return digest(nodeInput)
}

const fresh = sha256.create()
const state = sha256.create()

/** SHA-256 without a new state for each node, which would cost as much as the hashing. */
function digest(input: Uint8Array): Uint8Array {
  const hash = new Uint8Array(HASH_BYTES)
  fresh._cloneInto(state).update(input).digestInto(hash)
  return hash
}

export function emptyRoot(): Uint8Array {
  return sha256(new Uint8Array())
}

/** A tree in memory that proves. Where only the root is wanted, `MerkleFrontier` needs but a few hashes. */
export class MerkleTree {
  /** `#levels[k][i]` is the hash of the perfect subtree of the leaves from i * 2^k to (i + 1) * 2^k. */
  readonly #levels: Uint8Array[][] = [[]]

  get size(): number {
    return this.#levels[0]?.length ?? 0
  }

  append(leafData: Uint8Array): void {
    let hash = hashLeaf(leafData)
    for (let level = 0; ; level++) {
      const hashes = this.#levels[level] ?? []
      this.#levels[level] = hashes
      const left = hashes.at(-1)
      hashes.push(hash)
      if (hashes.length % 2 === 1 || left === undefined) return
      hash = hashChildren(left, hash)
    }
  }

  root(size = this.size): Uint8Array {
    this.#requireWithin(size)
    return size === 0 ? emptyRoot() : this.#hashOf(0, size)
  }

  /** RFC 9162 section 2.1.3.1, for the leaf at `index` (from 0) in the tree of the first `size` leaves. */
  inclusionProof(index: number, size = this.size): Uint8Array[] {
    this.#requireWithin(size)
    if (!Number.isInteger(index) || index < 0 || index >= size) throw new RangeError('no such leaf')
    const proof: Uint8Array[] = []
    let [start, end] = [0, size]
    while (end - start > 1) {
      const split = start + splitOf(end - start)
      if (index < split) {
        proof.push(this.#hashOf(split, end))
        end = split
      } else {
        proof.push(this.#hashOf(start, split))
        start = split
      }
    }
    return proof.reverse()
  }

  /** RFC 9162 section 2.1.4.1. Between equal sizes, and from an empty tree, there is nothing to prove. */
  consistencyProof(from: number, to = this.size): Uint8Array[] {
    this.#requireWithin(to)
    if (!Number.isInteger(from) || from < 0 || from > to) throw new RangeError('sizes out of order')
    if (from === 0 || from === to) return []
    const proof: Uint8Array[] = []
    let [start, end] = [0, to]
    let wholeTree = true
    while (from !== end) {
      const split = start + splitOf(end - start)
      if (from <= split) {
        proof.push(this.#hashOf(split, end))
        end = split
      } else {
        proof.push(this.#hashOf(start, split))
        start = split
        wholeTree = false
      }
    }
    if (!wholeTree) proof.push(this.#hashOf(start, end))
    return proof.reverse()
  }

  #hashOf(start: number, end: number): Uint8Array {
    const count = end - start
    const level = Math.round(Math.log2(count))
    const perfect = 2 ** level === count ? this.#levels[level]?.[start / count] : undefined
    if (perfect !== undefined) return perfect
    const split = start + splitOf(count)
    return hashChildren(this.#hashOf(start, split), this.#hashOf(split, end))
  }

  #requireWithin(size: number): void {
    if (!Number.isInteger(size) || size < 0 || size > this.size) throw new RangeError('the tree is not that large')
  }
}

/** The largest power of two smaller than `count`. */
function splitOf(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}

export type InclusionClaim = {
  readonly index: number
  readonly size: number
  readonly leafHash: Uint8Array
  readonly proof: readonly Uint8Array[]
  readonly root: Uint8Array
}

/** RFC 9162 section 2.1.3.2. */
export function verifyInclusion({ index, size, leafHash, proof, root }: InclusionClaim): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false
  let node = index
  let last = size - 1
  let hash = leafHash
  for (const sibling of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = hashChildren(sibling, hash)
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, half(last)]
    } else {
      hash = hashChildren(hash, sibling)
    }
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && equalConstantTime(hash, root)
}

export type ConsistencyClaim = {
  readonly from: number
  readonly to: number
  readonly fromRoot: Uint8Array
  readonly toRoot: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** RFC 9162 section 2.1.4.2. Every tree extends the empty one, by an empty proof and its root. */
export function verifyConsistency({ from, to, fromRoot, toRoot, proof }: ConsistencyClaim): boolean {
  if (!isSize(from) || !isSize(to) || from > to) return false
  if (from === 0) return proof.length === 0 && equalConstantTime(fromRoot, emptyRoot())
  if (from === to) return proof.length === 0 && equalConstantTime(fromRoot, toRoot)
  // Where the old tree is a perfect subtree of the new one, its root is left out of the proof.
  const [first, ...rest] = Number.isInteger(Math.log2(from)) ? [fromRoot, ...proof] : proof
  if (first === undefined || proof.length === 0) return false
  let [node, last] = [from - 1, to - 1]
  while (node % 2 === 1) [node, last] = [half(node), half(last)]
  let [oldHash, newHash] = [first, first]
  for (const sibling of rest) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      oldHash = hashChildren(sibling, oldHash)
      newHash = hashChildren(sibling, newHash)
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, half(last)]
    } else {
      newHash = hashChildren(newHash, sibling)
    }
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && equalConstantTime(oldHash, fromRoot) && equalConstantTime(newHash, toRoot)
}

/** Not `>> 1`: sizes go beyond 32 bits. */
function half(count: number): number {
  return Math.floor(count / 2)
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
