import { concat } from '../bytes.ts'
import { type Edge, foldPerfect, HASH_LENGTH, type ReadTile, TILE_WIDTH, type WrittenTile } from './tiles.ts'

/** Reads the edge of the tree of the first `size` leaves from the tiles of one of `within` leaves, at least as many. */
export async function readEdge(size: number, within: number, read: ReadTile): Promise<Edge> {
  if (size > within) throw new RangeError('no such leaves')
  const levels: Uint8Array[][] = []
  for (let [level, each] = [0, 1]; each <= size; level += 1, each *= TILE_WIDTH) {
    const count = Math.floor(size / each)
    const [index, width] = [Math.floor(count / TILE_WIDTH), count % TILE_WIDTH]
    const stored = Math.min(TILE_WIDTH, Math.floor(within / each) - index * TILE_WIDTH)
    levels.push(width === 0 ? [] : hashesOf(await read({ level, index, width: stored }), stored).slice(0, width))
  }
  return { size, levels }
}

/** What must stand in the store so that proofs in the tree of that size can be read. */
export function edgeTiles({ size, levels }: Edge): WrittenTile[] {
  return levels.flatMap((hashes, level) => {
    const index = Math.floor(size / TILE_WIDTH ** (level + 1))
    return hashes.length === 0 ? [] : [{ level, index, width: hashes.length, hashes: concat(...hashes) }]
  })
}

/** The frontier of the same tree: an edge read from a store is the true one when its frontier is one that was signed. */
export function frontierOfEdge({ levels }: Edge): Uint8Array[] {
  return levels.toReversed().flatMap((hashes) => {
    const subtrees: Uint8Array[] = []
    let rest = hashes
    for (let width = TILE_WIDTH / 2; width >= 1; width /= 2) {
      if (rest.length < width) continue
      subtrees.push(foldPerfect(rest.slice(0, width)))
      rest = rest.slice(width)
    }
    return subtrees
  })
}

function hashesOf(tile: Uint8Array, width: number): Uint8Array[] {
  if (tile.length !== width * HASH_LENGTH) throw new RangeError('a tile has the wrong length')
  return Array.from({ length: width }, (_, at) => tile.slice(at * HASH_LENGTH, (at + 1) * HASH_LENGTH))
}
