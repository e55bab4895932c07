import type { Random } from './random.ts'

type Event = { readonly at: number; readonly tie: number; readonly run: () => void }

/**
 * Virtual time. What happens next is the earliest event; random delays, and a random order among equal times, make the
 * interleavings. Between two events every promise that can go on has gone on.
 */
export class Timeline {
  readonly #random: Random
  readonly #afterEach: () => void
  #events: Event[] = []
  #now: number

  constructor(random: Random, start: number, afterEach: () => void) {
    this.#random = random
    this.#now = start
    this.#afterEach = afterEach
  }

  get now(): number {
    return this.#now
  }

  after(ms: number, run: () => void): void {
    this.#events.push({ at: this.#now + ms, tie: this.#random.between(0, 1_000_000), run })
  }

  passed(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  /** Time in which nothing runs: what was due meanwhile comes late. */
  leap(ms: number): void {
    this.#now += ms
  }

  /** Runs everything that happens until then. */
  async until(end: number): Promise<void> {
    await this.#goOn()
    for (let event = this.#take(end); event !== null; event = this.#take(end)) {
      this.#now = Math.max(this.#now, event.at)
      event.run()
      await this.#goOn()
    }
    this.#now = end
  }

  async #goOn(): Promise<void> {
    await settled()
    this.#afterEach()
    await settled()
  }

  #take(end: number): Event | null {
    let next: Event | null = null
    for (const event of this.#events) {
      if (event.at > end) continue
      if (next === null || event.at < next.at || (event.at === next.at && event.tie < next.tie)) next = event
    }
    if (next !== null) this.#events.splice(this.#events.indexOf(next), 1)
    return next
  }
}

/** All microtasks have run once the macrotask behind them does. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
