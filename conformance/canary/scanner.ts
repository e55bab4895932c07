import { ENCODINGS, type Encoding, encode } from './encodings.ts'

/** `name` says which secret it is without saying any of it. */
export type KnownSecret = { readonly name: string; readonly bytes: Buffer }
export type Hit = { readonly secret: string; readonly encoding: Encoding }
type Needle = Hit & { readonly bytes: Buffer }

export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** Searches byte streams for every secret in every encoding. */
export class Scanner {
  readonly #needles: readonly Needle[]
  readonly #longest: number

  constructor(secrets: readonly KnownSecret[]) {
    const needles = secrets.flatMap(({ name, bytes }) =>
      ENCODINGS.map((encoding) => ({ secret: name, encoding, bytes: encode(bytes, encoding) })),
    )
    // Most secrets look the same raw, JSON-escaped and percent-encoded: one search does.
    const seen = new Set<string>()
    this.#needles = needles.filter(({ bytes }) => {
      const key = bytes.toString('latin1')
      return !seen.has(key) && seen.add(key)
    })
    this.#longest = Math.max(0, ...needles.map(({ bytes }) => bytes.length))
  }

  /** Reads the stream once, keeping as much of each chunk as a secret cut by its end could need. */
  async scan(chunks: Chunks): Promise<{ bytes: number; hits: Hit[] }> {
    const hits = new Map<Needle, Hit>()
    let bytes = 0
    let kept = Buffer.alloc(0)
    for await (const chunk of chunks) {
      bytes += chunk.length
      const joined = Buffer.concat([kept, chunk])
      for (const needle of this.#needles) {
        if (!hits.has(needle) && joined.includes(needle.bytes)) {
          hits.set(needle, { secret: needle.secret, encoding: needle.encoding })
        }
      }
      kept = joined.subarray(Math.max(0, joined.length - this.#longest + 1))
    }
    return { bytes, hits: [...hits.values()] }
  }
}
