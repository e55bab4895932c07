import { z } from 'zod'
import { fromBase64, toBase64 } from '../bytes.ts'
import { isFrontierOf, MAX_FRONTIER } from '../merkle/frontier.ts'
import { genesisHash, HASH_BYTES } from './row.ts'

/**
 * Where a walk over one tenant's rows begins: enough to judge the next row, and to know the root at every later size. Who takes
 * one up trusts where it came from; a start proves nothing about the rows before it.
 */
export type WalkStart = {
  /** The last row that was walked; 0 before the first. */
  readonly seq: number
  /** That row's hash; the genesis hash at 0. */
  readonly hash: Uint8Array
  /** That row's time in Unix milliseconds; 0 at 0. */
  readonly at: number
  /** The Merkle frontier of the first `seq` rows, as `MerkleFrontier` has it. */
  readonly frontier: readonly Uint8Array[]
}

export function genesisStart(tenantId: string): WalkStart {
  return { seq: 0, hash: genesisHash(tenantId), at: 0, frontier: [] }
}

const hash = z.string().transform((text, context): Uint8Array => {
  const decoded = fromBase64(text)
  if (decoded.ok && decoded.value.length === HASH_BYTES) return decoded.value
  context.addIssue({ code: 'custom', message: 'not the base64 of a hash' })
  return z.NEVER
})

/** A start as JSON: hashes in padded base64. Parsing refuses a frontier that no tree of that size has. */
export const EncodedWalkStart = z
  .strictObject({
    seq: z.int().nonnegative(),
    hash,
    at: z.int().nonnegative(),
    frontier: z.array(hash).max(MAX_FRONTIER).readonly(),
  })
  .refine(({ seq, frontier }) => isFrontierOf(seq, frontier))
export type EncodedWalkStart = z.input<typeof EncodedWalkStart>

export function encodeWalkStart({ seq, hash, at, frontier }: WalkStart): EncodedWalkStart {
  return { seq, hash: toBase64(hash), at, frontier: frontier.map(toBase64) }
}
