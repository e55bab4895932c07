import type { Encoding } from './encodings.ts'
import type { Chunks, Scanner } from './scanner.ts'

export type Finding = {
  readonly place: string
  readonly location: string
  readonly secret: string
  readonly encoding: Encoding
}

/** One thing that was written or answered: the kind of place, and where in it. */
export type Item = { readonly place: string; readonly location: string; readonly chunks: Chunks }
export type Items = AsyncIterable<Item> | Iterable<Item>

export class Sweep {
  readonly findings: Finding[] = []
  readonly #bytes = new Map<string, number>()
  readonly #scanner: Scanner

  constructor(scanner: Scanner) {
    this.#scanner = scanner
  }

  async over(items: Items): Promise<void> {
    for await (const { place, location, chunks } of items) {
      const { bytes, hits } = await this.#scanner.scan(chunks)
      this.#bytes.set(place, (this.#bytes.get(place) ?? 0) + bytes)
      this.findings.push(...hits.map((hit) => ({ place, location, ...hit })))
    }
  }

  /** A place that was looked at and empty is still named. */
  get places(): { name: string; bytes: number }[] {
    return [...this.#bytes].map(([name, bytes]) => ({ name, bytes }))
  }
}
