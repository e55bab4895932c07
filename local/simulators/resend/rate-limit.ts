import type { Answer } from '../loopback-server.ts'

/** resend.com/docs/api-reference/rate-limit: of a team, whichever of its keys is used. */
export const REQUESTS_PER_SECOND = 5
const WINDOW_MS = 1000

/** Counts by the simulator's own clock. */
export class TeamLimit {
  #recent: number[] = []

  /** Whether the call is within the limit, and what Resend says of it in the answer's headers. */
  hit(now: number): { readonly isWithin: boolean; readonly headers: Record<string, string> } {
    this.#recent = this.#recent.filter((at) => at > now - WINDOW_MS && at <= now)
    const isWithin = this.#recent.length < REQUESTS_PER_SECOND
    if (isWithin) this.#recent.push(now)
    const headers = {
      'ratelimit-limit': String(REQUESTS_PER_SECOND),
      'ratelimit-policy': `${REQUESTS_PER_SECOND};w=1`,
      'ratelimit-remaining': String(REQUESTS_PER_SECOND - this.#recent.length),
      'ratelimit-reset': '1',
    }
    return { isWithin, headers }
  }
}

export function tooMany(seconds: number, headers: Record<string, string> = {}): Answer {
  const body = {
    statusCode: 429,
    name: 'rate_limit_exceeded',
    message: `Too many requests. You can only make ${REQUESTS_PER_SECOND} requests per second.`,
  }
  return { status: 429, body, headers: { ...headers, 'retry-after': String(seconds) } }
}
