import type { Fault } from '../simulators/faults.ts'

export const FAULT_KINDS: readonly Fault['kind'][] = [
  'unauthorized',
  'forbidden',
  'rate_limited',
  'server_error',
  'timeout',
  'cut',
  'invalid_json',
  'repeated_page',
  'empty_result',
  'partial',
]
/** Of each kind, a part of all tries. */
export const FAULT_RATE = 0.1
/** So that a fault meets the third call of a run as well as the first. */
const STRIKES_THIS_CALL = 0.5
/** The client gives up on the answer that never comes; ten seconds of it would prove nothing more. */
const HUNG_FOR_MS = 15

/** What stands between a lane and its provider. */
export type CallFaults = {
  beginTry(): void
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
}
export const NO_FAULTS: CallFaults = { beginTry: () => {}, fetch: (url, init) => fetch(url, init) }

/** Each try of a job draws each kind of fault with one chance in ten; what was drawn strikes one of its calls, if it comes so far. */
export class FaultPlan implements CallFaults {
  readonly struck: Partial<Record<Fault['kind'], number>> = {}
  tries = 0
  #rate = FAULT_RATE
  #waiting: Fault['kind'][] = []
  readonly #random: () => number
  readonly #controlUrl: string

  constructor(random: () => number, controlUrl: string) {
    this.#random = random
    this.#controlUrl = controlUrl
  }

  beginTry(): void {
    if (this.#rate === 0) return
    this.tries += 1
    this.#waiting = FAULT_KINDS.filter(() => this.#random() < this.#rate)
    this.#waiting.sort(() => this.#random() - 0.5)
  }

  /** The provider has a good day from now on. */
  async end(): Promise<void> {
    this.#rate = 0
    this.#waiting = []
    await fetch(`${this.#controlUrl}/faults`, { method: 'DELETE' })
  }

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const isStruck = this.#waiting.length > 0 && this.#random() < STRIKES_THIS_CALL
    const kind = isStruck ? this.#waiting.shift() : undefined
    if (kind === undefined) return fetch(url, init)
    this.struck[kind] = (this.struck[kind] ?? 0) + 1
    await fetch(`${this.#controlUrl}/faults`, { method: 'POST', body: JSON.stringify({ kind }) })
    if (kind !== 'timeout') return fetch(url, init)
    return fetch(url, { ...init, signal: AbortSignal.timeout(HUNG_FOR_MS) })
  }
}
