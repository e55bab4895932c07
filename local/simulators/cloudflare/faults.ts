import { z } from 'zod'

/** What a provider does on a bad day, each on demand. */
export const FaultRequest = z.strictObject({
  kind: z.enum([
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
  ]),
  /** How many matching requests it strikes. */
  times: z.int().min(1).max(1000).default(1),
  /** Strikes only requests whose path and body together contain this text: a path, a dataset, a zone's id. */
  match: z.string().max(256).default(''),
  status: z.union([z.literal(500), z.literal(502), z.literal(503)]).default(503),
  retry_after: z.int().min(1).max(3600).default(60),
})
export type Fault = z.output<typeof FaultRequest>

/** Faults of these kinds change a good answer; the others stand in for one. */
const ON_ANSWER: ReadonlySet<Fault['kind']> = new Set(['repeated_page', 'empty_result', 'partial'])

export class Faults {
  #waiting: Fault[] = []

  add(fault: Fault): void {
    this.#waiting.push(fault)
  }

  clear(): void {
    this.#waiting = []
  }

  list(): readonly Fault[] {
    return this.#waiting
  }

  /** The fault that strikes instead of an answer, counted down. */
  instead(request: string): Fault | undefined {
    return this.#take(request, (fault) => !ON_ANSWER.has(fault.kind))
  }

  /** The fault that bends the rows of one dataset's answer, counted down. */
  onAnswer(request: string): Fault | undefined {
    return this.#take(request, (fault) => ON_ANSWER.has(fault.kind))
  }

  #take(request: string, suits: (fault: Fault) => boolean): Fault | undefined {
    const found = this.#waiting.find((fault) => suits(fault) && request.includes(fault.match))
    if (found === undefined) return undefined
    this.#waiting = this.#waiting.flatMap((fault) => {
      if (fault !== found) return [fault]
      return fault.times > 1 ? [{ ...fault, times: fault.times - 1 }] : []
    })
    return found
  }
}
