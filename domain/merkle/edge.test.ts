import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { u64be } from '../bytes.ts'
import { edgeTiles, frontierOfEdge, readEdge } from './edge.ts'
import { MerkleFrontier } from './frontier.ts'
import {
  consistencyProofFromTiles,
  type ReadTile,
  TILE_WIDTH,
  type Tile,
  TileCutter,
  type WrittenTile,
} from './tiles.ts'
import { hashLeaf, MerkleTree } from './tree.ts'

const leaf = (index: number) => u64be(index)
const sizes = fc.tuple(fc.integer({ min: 0, max: 1200 }), fc.nat({ max: 300 }))

describe('the right edge of a tree', () => {
  it('is read from the tiles of any larger one, and folds to the frontier', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async ([size, more]) => {
        const edge = await readEdge(size, size + more, reader(cut(size + more, 0)))
        expect(frontierOfEdge(edge)).toEqual(frontierOf(size))
      }),
      { seed: 1, numRuns: 20 },
    )
  })

  it('lets a cutter go on: the tiles are those of one that saw every leaf (L5)', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async ([size, more]) => {
        const edge = await readEdge(size, size, reader(cut(size, 0)))
        const cutter = new TileCutter(size, edge)
        for (let index = size; index < size + more; index += 1) cutter.append(hashLeaf(leaf(index)))
        expect(cutter.tiles()).toEqual(cut(size + more, size))
      }),
      { seed: 1, numRuns: 20 },
    )
  })

  it('adds what proofs up to its size need, where only a larger tree was cut', async () => {
    const [size, within] = [700, 1100]
    const stored = cut(within, 0)
    const edge = await readEdge(size, within, reader(stored))
    const proof = await consistencyProofFromTiles(300, size, reader([...stored, ...edgeTiles(edge)]))
    expect(proof).toEqual(treeOf(size).consistencyProof(300, size))
  })

  it('that was changed in the store has another frontier', async () => {
    const tiles = cut(700, 0).map((tile) => ({ ...tile, hashes: tile.hashes.with(40, (tile.hashes[40] ?? 0) ^ 1) }))
    expect(frontierOfEdge(await readEdge(700, 700, reader(tiles)))).not.toEqual(frontierOf(700))
  })

  it('is not read from a smaller tree, nor from a tile of the wrong length', async () => {
    await expect(readEdge(5, 4, reader(cut(4, 0)))).rejects.toThrow(RangeError)
    await expect(readEdge(5, 5, async () => new Uint8Array(32))).rejects.toThrow(RangeError)
  })
})

function cut(size: number, known: number): WrittenTile[] {
  const cutter = new TileCutter(known)
  for (let index = 0; index < size; index += 1) cutter.append(hashLeaf(leaf(index)))
  return cutter.tiles()
}

function reader(tiles: readonly WrittenTile[]): ReadTile {
  const store = new Map(tiles.map((tile) => [keyOf(tile), tile.hashes]))
  return async (tile) => store.get(keyOf(tile)) ?? new Uint8Array()
}

function keyOf({ level, index, width }: Tile): string {
  return `${level}/${index}/${width === TILE_WIDTH ? '' : width}`
}

function frontierOf(size: number): readonly Uint8Array[] {
  const frontier = new MerkleFrontier()
  for (let index = 0; index < size; index += 1) frontier.append(leaf(index))
  return frontier.hashes
}

function treeOf(size: number): MerkleTree {
  const tree = new MerkleTree()
  for (let index = 0; index < size; index += 1) tree.append(leaf(index))
  return tree
}
