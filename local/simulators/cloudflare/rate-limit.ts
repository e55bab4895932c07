/** Cloudflare's quotas (facts of its documentation): GraphQL queries of one user, and calls of one user in all. */
export const RATE_WINDOW_MS = 5 * 60_000
export const GRAPHQL_QUERIES_PER_WINDOW = 300
export const CALLS_PER_WINDOW = 1200

/** Counts by the simulator's own clock, so that a test may move five minutes on at once. */
export class RateLimit {
  readonly #limit: number
  readonly #hits = new Map<string, number[]>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Seconds to wait, or 0 when the call is within the quota and has been counted. */
  hit(subject: string, now: number): number {
    const recent = (this.#hits.get(subject) ?? []).filter((at) => at > now - RATE_WINDOW_MS && at <= now)
    const [oldest] = recent
    if (recent.length >= this.#limit && oldest !== undefined) {
      return Math.ceil((oldest + RATE_WINDOW_MS - now) / 1000)
    }
    recent.push(now)
    this.#hits.set(subject, recent)
    return 0
  }
}
