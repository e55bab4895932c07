import { z } from 'zod'
import { FaultRequest, Faults } from './faults.ts'
import type { Answer } from './loopback-server.ts'

/** Where a test reaches the simulator itself, beside what the provider would answer. */
export const CONTROL_PATH = '/__control'

const MAX_SEEN_REQUESTS = 10_000
const Clock = z.strictObject({ offset_ms: z.int() })

export type SeenRequest = {
  readonly at: number
  readonly method: string
  readonly path: string
  readonly authorization: string
  /** Where what was asked is in it. */
  readonly body?: string
}

/** What every simulator remembers, and a test may look at and change. In memory alone: what it received includes the keys themselves. */
export class Controlled {
  readonly faults = new Faults()
  readonly requests: SeenRequest[] = []
  clockOffset = 0
  readonly now: () => number

  constructor(base: () => number = Date.now) {
    this.now = () => base() + this.clockOffset
  }

  see(request: SeenRequest): void {
    this.requests.push(request)
    if (this.requests.length > MAX_SEEN_REQUESTS) this.requests.shift()
  }
}

/** By method and path: "POST keys/revoke". */
export type ControlActs = Readonly<Record<string, (body: unknown, query: URLSearchParams) => unknown>>

/**
 * `GET|POST|DELETE faults`, `GET|POST clock` {offset_ms} and `GET requests` (`?authorization=shown`), and a provider's own acts.
 */
export function answerControl(method: string, url: URL, body: string, state: Controlled, own: ControlActs): Answer {
  const act = `${method} ${url.pathname.slice(CONTROL_PATH.length + 1)}`
  try {
    const perform = { ...usual(state), ...own }[act]
    if (perform === undefined) throw new Error(`no control route ${act}`)
    return { status: 200, body: perform(body === '' ? {} : JSON.parse(body), url.searchParams) }
  } catch (error) {
    return { status: 400, body: { error: { code: 'control_refused', message: String(error) } } }
  }
}

function usual(state: Controlled): ControlActs {
  return {
    'GET faults': () => ({ faults: state.faults.list() }),
    'POST faults': (body) => {
      state.faults.add(FaultRequest.parse(body))
      return {}
    },
    'DELETE faults': () => {
      state.faults.clear()
      return {}
    },
    'GET clock': () => ({ now: state.now() }),
    'POST clock': (body) => {
      state.clockOffset = Clock.parse(body).offset_ms
      return { now: state.now() }
    },
    'GET requests': (_, query) => ({ requests: seen(state, query.get('authorization') === 'shown') }),
  }
}

function seen({ requests }: Controlled, withAuthorization: boolean): readonly SeenRequest[] {
  if (withAuthorization) return requests
  return requests.map((request) => ({ ...request, authorization: request.authorization === '' ? '' : '[redacted]' }))
}
