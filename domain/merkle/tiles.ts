import { concat } from '../bytes.ts'
import { hashChildren } from './tree.ts'

/**
 * A Merkle tree cut into tiles, as C2SP tlog-tiles does: a tile of level L holds up to 256 hashes of the subtrees of 256^L
 * leaves. A full tile never changes, so tiles are written once, and any proof is read from a few of them.
 */
export const TILE_WIDTH = 256
const TILE_HEIGHT = 8
export const HASH_LENGTH = 32

export type Tile = { readonly level: number; readonly index: number; readonly width: number }
export type WrittenTile = Tile & { readonly hashes: Uint8Array }
export type ReadTile = (tile: Tile) => Promise<Uint8Array>

/** The unfinished tiles at the right edge of a tree: what a cutter needs to go on, and all that a signed size adds to the full ones. */
export type Edge = {
  readonly size: number
  /** `levels[L]` has the hashes of the unfinished tile of level L, fewer than 256. */
  readonly levels: readonly (readonly Uint8Array[])[]
}

/** Cuts a growing tree into tiles, and keeps those that a tree of `known` leaves did not have yet. */
export class TileCutter {
  readonly #known: number
  readonly #levels: Uint8Array[][]
  readonly #full: WrittenTile[] = []
  #size: number

  /** Begins with an empty tree, or goes on where one ended. */
  constructor(known: number, { size, levels }: Edge = { size: 0, levels: [] }) {
    this.#known = known
    this.#size = size
    this.#levels = levels.map((hashes) => [...hashes])
  }

  append(leafHash: Uint8Array): void {
    this.#size += 1
    this.#push(0, leafHash)
  }

  /** The new full tiles, then the partial tiles at the right edge. */
  tiles(): WrittenTile[] {
    if (this.#size === this.#known) return []
    const edge = this.#levels.flatMap((hashes, level) => {
      const index = Math.floor(this.#size / TILE_WIDTH ** (level + 1))
      return hashes.length === 0 ? [] : [{ level, index, width: hashes.length, hashes: concat(...hashes) }]
    })
    return [...this.#full, ...edge]
  }

  #push(level: number, hash: Uint8Array): void {
    const hashes = this.#levels[level] ?? []
    this.#levels[level] = hashes
    hashes.push(hash)
    if (hashes.length < TILE_WIDTH) return
    const index = Math.floor((this.#size - 1) / TILE_WIDTH ** (level + 1))
    // A tile whose last leaf is within the known size was written with that size.
    if ((index + 1) * TILE_WIDTH ** (level + 1) > this.#known) {
      this.#full.push({ level, index, width: TILE_WIDTH, hashes: concat(...hashes) })
    }
    this.#levels[level] = []
    this.#push(level + 1, foldPerfect(hashes))
  }
}

/** The consistency proof of RFC 9162 section 2.1.4 from `from` to `to` leaves, read from the tiles of the larger tree. */
export function consistencyProofFromTiles(from: number, to: number, read: ReadTile): Promise<Uint8Array[]> {
  return hashesOf(consistencyRanges(from, to), to, read)
}

/** The inclusion proof of RFC 9162 section 2.1.3 of the leaf at `index`, from 0, in the tree of `size` leaves. */
export function inclusionProofFromTiles(index: number, size: number, read: ReadTile): Promise<Uint8Array[]> {
  return hashesOf(inclusionRanges(index, size), size, read)
}

/** Each tile that several hashes need is read once. */
function hashesOf(ranges: readonly Range[], size: number, read: ReadTile): Promise<Uint8Array[]> {
  const reading = new Map<string, Promise<Uint8Array>>()
  const readOnce: ReadTile = (tile) => {
    const key = `${tile.level}/${tile.index}`
    const tileRead = reading.get(key) ?? read(tile)
    reading.set(key, tileRead)
    return tileRead
  }
  return Promise.all(ranges.map(([start, end]) => rangeHash(start, end, readOnce, size)))
}

type Range = readonly [start: number, end: number]

/** PATH as ranges of leaves: whose subtree hashes make the proof, in its order. */
function inclusionRanges(index: number, size: number): Range[] {
  if (!Number.isInteger(index) || index < 0 || index >= size) throw new RangeError('no such leaf')
  const ranges: Range[] = []
  let [start, end] = [0, size]
  while (end - start > 1) {
    const split = start + largestPowerOfTwoBelow(end - start)
    const isLeft = index < split
    ranges.push(isLeft ? [split, end] : [start, split])
    ;[start, end] = isLeft ? [start, split] : [split, end]
  }
  return ranges.reverse()
}

/** SUBPROOF as ranges of leaves: whose subtree hashes make the proof, in its order. */
function consistencyRanges(from: number, to: number): Range[] {
  if (from < 1 || from >= to) return []
  const ranges: Range[] = []
  let [start, end] = [0, to]
  let whole = true
  while (from !== end) {
    const split = start + largestPowerOfTwoBelow(end - start)
    if (from <= split) {
      ranges.push([split, end])
      end = split
    } else {
      ranges.push([start, split])
      start = split
      whole = false
    }
  }
  if (!whole) ranges.push([start, end])
  return ranges.reverse()
}

async function rangeHash(start: number, end: number, read: ReadTile, size: number): Promise<Uint8Array> {
  const count = end - start
  if (isPowerOfTwo(count)) return perfectHash(start, count, read, size)
  const split = start + largestPowerOfTwoBelow(count)
  const [left, right] = await Promise.all([rangeHash(start, split, read, size), rangeHash(split, end, read, size)])
  return hashChildren(left, right)
}

/** The hash of a perfect subtree: folded from as many hashes of one tile as it needs. */
async function perfectHash(start: number, count: number, read: ReadTile, size: number): Promise<Uint8Array> {
  const level = Math.floor(Math.log2(count) / TILE_HEIGHT)
  const each = TILE_WIDTH ** level
  const first = start / each
  const index = Math.floor(first / TILE_WIDTH)
  const width = Math.min(TILE_WIDTH, Math.floor(size / each) - index * TILE_WIDTH)
  const tile = await read({ level, index, width })
  if (tile.length !== width * HASH_LENGTH) throw new RangeError('a tile has the wrong length')
  const offset = first - index * TILE_WIDTH
  const hashes = Array.from({ length: count / each }, (_, i) =>
    tile.slice((offset + i) * HASH_LENGTH, (offset + i + 1) * HASH_LENGTH),
  )
  return foldPerfect(hashes)
}

/** The root of a perfect subtree, from the hashes of a level below. */
export function foldPerfect(hashes: readonly Uint8Array[]): Uint8Array {
  const [only, second] = hashes
  if (only === undefined) throw new RangeError('no hash to fold')
  if (second === undefined) return only
  const middle = hashes.length / 2
  return hashChildren(foldPerfect(hashes.slice(0, middle)), foldPerfect(hashes.slice(middle)))
}

function isPowerOfTwo(count: number): boolean {
  return count === 1 || largestPowerOfTwoBelow(count) * 2 === count
}

function largestPowerOfTwoBelow(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}
