import { describe, expect, it } from 'vitest'
import { MerkleFrontier } from '../merkle/frontier.ts'
import { MerkleTree } from '../merkle/tree.ts'
import { ChainVerifier } from './chain.ts'
import { chainedRows } from './row.fixture.ts'
import { EncodedWalkStart, encodeWalkStart, genesisStart, type WalkStart } from './walk-start.ts'

const TENANT = '3f0a6e2c-6f2a-4f6e-9a61-1d2c3b4a5e6f'
const rows = chainedRows(TENANT, 41)

/** What stands after each of the rows, as a walk from the first would have it. */
function startAfter(count: number): WalkStart {
  const [chain, tree] = [new ChainVerifier(TENANT), new MerkleFrontier()]
  for (const row of rows.slice(0, count)) {
    expect(chain.feed(row)).toBeNull()
    tree.append(row.hash)
  }
  return { ...chain.head, frontier: tree.hashes }
}

describe('L2: a walk that is taken up again', () => {
  it.each(rows.map((_, count) => [count]))(
    'after %i rows, through JSON, ends as the one from the first row does',
    (count) => {
      const encoded: unknown = JSON.parse(JSON.stringify(encodeWalkStart(startAfter(count))))
      const start = EncodedWalkStart.parse(encoded)
      const chain = new ChainVerifier(TENANT, start)
      const tree = MerkleFrontier.resume(start.seq, start.frontier)
      const whole = new MerkleTree()
      for (const row of rows) whole.append(row.hash)
      for (const row of rows.slice(count)) {
        expect(chain.feed(row)).toBeNull()
        tree?.append(row.hash)
      }
      expect(chain.head.hash).toEqual(rows.at(-1)?.hash)
      expect(tree?.root()).toEqual(whole.root())
    },
  )

  it('begins before the first row where nothing was walked', () => {
    expect(startAfter(0)).toEqual(genesisStart(TENANT))
  })

  const sound = encodeWalkStart(startAfter(3))
  it.each<[string, unknown]>([
    ['a frontier of another size', { ...sound, seq: 4 }],
    ['a hash that is cut short', { ...sound, hash: sound.hash.slice(4) }],
    ['a time that is not whole', { ...sound, at: 0.5 }],
    ['a negative place', { ...sound, seq: -1, frontier: [] }],
    ['a further field', { ...sound, trusted: true }],
    ['hashes in base64 that is not canonical', { ...sound, hash: sound.hash.replace(/.=$/, 'B=') }],
  ])('is refused with %s', (_what, text) => {
    expect(EncodedWalkStart.safeParse(text).success).toBe(false)
  })
})
