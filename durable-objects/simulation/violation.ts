/** A promise of the ledger that a run has seen broken. */
export class Violation extends Error {
  readonly kind: string

  constructor(kind: string, detail: string) {
    super(`${kind}: ${detail}`)
    this.kind = kind
  }
}
