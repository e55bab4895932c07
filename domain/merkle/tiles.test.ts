import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, u64be } from '../bytes.ts'
import {
  consistencyProofFromTiles,
  inclusionProofFromTiles,
  type ReadTile,
  TILE_WIDTH,
  TileCutter,
  type WrittenTile,
} from './tiles.ts'
import { hashLeaf, MerkleTree, verifyConsistency, verifyInclusion } from './tree.ts'

/** Above the width, so that a second level of tiles exists. */
const LARGEST = 70_000

describe('tiles of a growing tree', () => {
  it('give the consistency proof that the whole tree gives, between any two signed sizes', async () => {
    const sizes = fc.uniqueArray(fc.integer({ min: 1, max: 1200 }), { minLength: 2, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(sizes, async (unordered) => {
        const signed = unordered.toSorted((a, b) => a - b)
        const store = grow(signed)
        const tree = treeOf(signed.at(-1) ?? 0)
        for (const to of signed) {
          for (const from of signed.filter((size) => size <= to)) {
            const proof = await consistencyProofFromTiles(from, to, reader(store))
            expect(proof).toEqual(tree.consistencyProof(from, to))
          }
        }
      }),
      { seed: 1, numRuns: 40 },
    )
  })

  it('give the inclusion proof that the whole tree gives, of any leaf in any signed size (L6)', async () => {
    const sizes = fc.uniqueArray(fc.integer({ min: 1, max: 1200 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), async (unordered, at) => {
        const signed = unordered.toSorted((a, b) => a - b)
        const store = grow(signed)
        const tree = treeOf(signed.at(-1) ?? 0)
        for (const size of signed) {
          const index = at % size
          const proof = await inclusionProofFromTiles(index, size, reader(store))
          expect(proof).toEqual(tree.inclusionProof(index, size))
        }
      }),
      { seed: 1, numRuns: 40 },
    )
  })

  it('are written once: no size writes a tile that another size wrote with other bytes', () => {
    const store = new Map<string, Uint8Array>()
    for (const size of [1, 255, 256, 257, 511, 512, 1000]) {
      for (const [key, hashes] of grow([size])) {
        expect(store.get(key) ?? hashes).toEqual(hashes)
        store.set(key, hashes)
      }
    }
  })

  it('are written anew only where the tree grew', () => {
    expect(cut(600, 600)).toEqual([])
    expect(cut(601, 600).map(({ level, index, width }) => [level, index, width])).toEqual([
      [0, 2, 89],
      [1, 0, 2],
    ])
  })

  it('prove also where subtrees of whole tiles are needed', async () => {
    const sizes = [3, 256, 65_536, LARGEST]
    const store = grow(sizes)
    const tree = treeOf(LARGEST)
    for (const from of sizes.slice(0, -1)) {
      const proof = await consistencyProofFromTiles(from, LARGEST, reader(store))
      const roots = { fromRoot: tree.root(from), toRoot: tree.root() }
      expect(verifyConsistency({ from, to: LARGEST, ...roots, proof })).toBe(true)
    }
    for (const index of [0, 255, 256, 65_535, LARGEST - 1]) {
      const path = await inclusionProofFromTiles(index, LARGEST, reader(store))
      const claim = { index, size: LARGEST, leafHash: hashLeaf(leaf(index)), proof: path, root: tree.root() }
      expect(verifyInclusion(claim)).toBe(true)
    }
  })

  it('prove nothing about a tree that was cut otherwise', async () => {
    const store = grow([300, 400])
    for (const [key, hashes] of store)
      if (key.startsWith('0/1'))
        store.set(
          key,
          hashes.map((byte) => byte ^ 1),
        )
    const tree = treeOf(400)
    const proof = await consistencyProofFromTiles(300, 400, reader(store))
    expect(verifyConsistency({ from: 300, to: 400, fromRoot: tree.root(300), toRoot: tree.root(), proof })).toBe(false)
  })

  it('have no proof for a leaf that the tree does not have', () => {
    for (const index of [-1, 0.5, 5]) {
      expect(() => inclusionProofFromTiles(index, 5, async () => concat())).toThrow(RangeError)
    }
  })

  it('refuse a tile of the wrong length', async () => {
    await expect(consistencyProofFromTiles(3, 5, async () => new Uint8Array(32))).rejects.toThrow(RangeError)
  })
})

/** What the store holds after each of the sizes was signed in turn. */
function grow(sizes: readonly number[]): Map<string, Uint8Array> {
  const store = new Map<string, Uint8Array>()
  let known = 0
  for (const size of sizes) {
    for (const tile of cut(size, known)) store.set(keyOf(tile), tile.hashes)
    known = size
  }
  return store
}

function cut(size: number, known: number): WrittenTile[] {
  const cutter = new TileCutter(known)
  for (let index = 0; index < size; index += 1) cutter.append(hashLeaf(leaf(index)))
  return cutter.tiles()
}

function reader(store: ReadonlyMap<string, Uint8Array>): ReadTile {
  return async (tile) => store.get(keyOf(tile)) ?? concat()
}

function keyOf({ level, index, width }: { level: number; index: number; width: number }): string {
  return width === TILE_WIDTH ? `${level}/${index}` : `${level}/${index}.p/${width}`
}

function treeOf(size: number): MerkleTree {
  const tree = new MerkleTree()
  for (let index = 0; index < size; index += 1) tree.append(leaf(index))
  return tree
}

function leaf(index: number): Uint8Array {
  return u64be(index)
}
