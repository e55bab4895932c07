import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../bytes.ts'
import { MerkleFrontier } from './frontier.ts'
import { emptyRoot, hashChildren, hashLeaf, MerkleTree, verifyConsistency, verifyInclusion } from './tree.ts'

fc.configureGlobal({ seed: 20261124 })

const LEAVES = Array.from({ length: 67 }, (_, i) => utf8(`leaf ${i}`))

/** MTH of RFC 9162 section 2.1.1, word by word. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves
  if (only === undefined) return emptyRoot()
  if (leaves.length === 1) return hashLeaf(only)
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return hashChildren(naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)))
}

function treeOf(leaves: readonly Uint8Array[]): MerkleTree {
  const tree = new MerkleTree()
  for (const leaf of leaves) tree.append(leaf)
  return tree
}

const tree = treeOf(LEAVES)
const sizes = LEAVES.map((_, i) => i + 1)

function inclusion(index: number, size: number) {
  const leafHash = hashLeaf(LEAVES[index] ?? new Uint8Array())
  return { index, size, leafHash, proof: tree.inclusionProof(index, size), root: tree.root(size) }
}

function consistency(from: number, to: number) {
  return { from, to, fromRoot: tree.root(from), toRoot: tree.root(to), proof: tree.consistencyProof(from, to) }
}

describe('a Merkle tree', () => {
  it('has the root of RFC 9162 at every size, whole, in parts and at its frontier', () => {
    expect(toHex(emptyRoot())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    const frontier = new MerkleFrontier()
    expect(frontier.root()).toEqual(emptyRoot())
    for (const [i, leaf] of LEAVES.entries()) {
      frontier.append(leaf)
      const root = naiveRoot(LEAVES.slice(0, i + 1))
      expect(tree.root(i + 1)).toEqual(root)
      expect(frontier.root()).toEqual(root)
    }
  })

  it('resumes from its frontier, and from no other number of hashes', () => {
    for (const size of sizes) {
      const before = new MerkleFrontier()
      for (const leaf of LEAVES.slice(0, size)) before.append(leaf)
      const resumed = MerkleFrontier.resume(size, before.hashes)
      for (const leaf of LEAVES.slice(size)) resumed?.append(leaf)
      expect(resumed?.root()).toEqual(tree.root())
      expect(MerkleFrontier.resume(size, [...before.hashes, hashLeaf(new Uint8Array())])).toBeNull()
    }
    expect(MerkleFrontier.resume(-1, [])).toBeNull()
    expect(MerkleFrontier.resume(0.5, [])).toBeNull()
  })

  it('refuses what it does not hold', () => {
    expect(() => tree.root(LEAVES.length + 1)).toThrow(RangeError)
    expect(() => tree.inclusionProof(5, 5)).toThrow(RangeError)
    expect(() => tree.consistencyProof(6, 5)).toThrow(RangeError)
  })
})

describe('a proof', () => {
  it('holds for every leaf and every pair of sizes', () => {
    for (const to of sizes) {
      for (let from = 0; from <= to; from++) expect(verifyConsistency(consistency(from, to))).toBe(true)
      for (let index = 0; index < to; index++) expect(verifyInclusion(inclusion(index, to))).toBe(true)
    }
  })

  it('fails for any other leaf, index, size, root or hash', () => {
    const place = fc
      .integer({ min: 2, max: LEAVES.length })
      .chain((size) => fc.tuple(fc.constant(size), fc.nat({ max: size - 1 }), fc.nat(), fc.nat({ max: 31 })))
    fc.assert(
      fc.property(place, ([size, index, which, byte]) => {
        const claim = inclusion(index, size)
        const flipped = (hash: Uint8Array) => hash.with(byte, (hash[byte] ?? 0) ^ 1)
        const at = which % claim.proof.length
        const other = which % size
        if (other !== index) expect(verifyInclusion({ ...claim, index: other })).toBe(false)
        expect(verifyInclusion({ ...claim, leafHash: flipped(claim.leafHash) })).toBe(false)
        expect(verifyInclusion({ ...claim, root: flipped(claim.root) })).toBe(false)
        const damaged = claim.proof.map((hash, i) => (i === at ? flipped(hash) : hash))
        expect(verifyInclusion({ ...claim, proof: damaged })).toBe(false)
        expect(verifyInclusion({ ...claim, proof: claim.proof.toSpliced(at, 1) })).toBe(false)
        expect(verifyInclusion({ ...claim, proof: [...claim.proof, claim.root] })).toBe(false)
      }),
      { numRuns: 200 },
    )
  })

  it('of consistency fails for any tree that is not the one’s beginning (L2)', () => {
    const pair = fc
      .integer({ min: 2, max: LEAVES.length })
      .chain((to) => fc.tuple(fc.constant(to), fc.integer({ min: 1, max: to - 1 }), fc.nat(), fc.nat({ max: 31 })))
    fc.assert(
      fc.property(pair, ([to, from, which, byte]) => {
        const claim = consistency(from, to)
        const flipped = (hash: Uint8Array) => hash.with(byte, (hash[byte] ?? 0) ^ 1)
        const at = which % claim.proof.length
        const rewritten = treeOf(LEAVES.with(which % from, utf8('rewritten')))
        expect(verifyConsistency({ ...claim, fromRoot: rewritten.root(from) })).toBe(false)
        expect(
          verifyConsistency({ ...claim, toRoot: rewritten.root(to), proof: rewritten.consistencyProof(from, to) }),
        ).toBe(false)
        const damaged = claim.proof.map((hash, i) => (i === at ? flipped(hash) : hash))
        expect(verifyConsistency({ ...claim, proof: damaged })).toBe(false)
        expect(verifyConsistency({ ...claim, proof: claim.proof.slice(1) })).toBe(false)
        expect(verifyConsistency({ ...claim, proof: [...claim.proof, claim.toRoot] })).toBe(false)
        expect(verifyConsistency({ ...claim, from: to, to: from })).toBe(false)
      }),
      { numRuns: 200 },
    )
  })

  it('is refused for numbers that are no sizes', () => {
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(verifyConsistency({ ...consistency(3, 7), from: wrong })).toBe(false)
      expect(verifyConsistency({ ...consistency(3, 7), to: wrong })).toBe(false)
      expect(verifyInclusion({ ...inclusion(3, 7), index: wrong })).toBe(false)
      expect(verifyInclusion({ ...inclusion(3, 7), size: wrong })).toBe(false)
    }
  })
})
