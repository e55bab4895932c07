import type { ServerResponse } from 'node:http'
import { z } from 'zod'
import { type Answer, send } from './loopback-server.ts'

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
  /** Strikes only requests that contain this text: a path, a dataset, a zone's id; at Cloudflare also a path and the key behind it, or dataset, dimensions, zone and key. */
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

/** How a provider's answers begin, and how it refuses: what a fault stands in for it with. */
type Manner = { readonly opening: string; readonly refusal: (fault: Fault) => Answer }

export function strike(fault: Fault, response: ServerResponse, { opening, refusal }: Manner): void {
  switch (fault.kind) {
    case 'invalid_json':
      response.writeHead(200, { 'content-type': 'application/json' }).end(opening)
      break
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '4096' })
      response.write(opening, () => response.destroy())
      break
    case 'timeout':
      // Never answered: the socket stays open until the client gives up or the simulator stops.
      break
    default:
      send(response, refusal(fault))
  }
}
