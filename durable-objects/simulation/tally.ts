/** What happened in all runs together: a simulation in which nothing goes wrong proves nothing. */
export class Tally {
  readonly #counts: Record<string, number> = {}

  count(what: string, times = 1): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + times
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(Object.entries(this.#counts).sort(([one], [other]) => (one < other ? -1 : 1)))
  }
}
