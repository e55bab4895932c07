/** supabase.com/docs/reference/api/introduction: of one user, for each project; a list of projects counts apart from them. */
export const REQUESTS_PER_MINUTE = 120
const WINDOW_MS = 60_000

/** Counts by the simulator's own clock. */
export class ProjectLimit {
  readonly #windows = new Map<string, { readonly begin: number; readonly hits: number }>()

  /** Whether the call is within the limit, and what Supabase says of it in the answer's headers. */
  hit(scope: string, now: number): { readonly isWithin: boolean; readonly headers: Record<string, string> } {
    const known = this.#windows.get(scope)
    const isOpen = known !== undefined && now >= known.begin && now < known.begin + WINDOW_MS
    const { begin, hits } = isOpen ? known : { begin: now, hits: 0 }
    this.#windows.set(scope, { begin, hits: hits + 1 })
    return {
      isWithin: hits < REQUESTS_PER_MINUTE,
      headers: limitHeaders(REQUESTS_PER_MINUTE - hits - 1, Math.ceil((begin + WINDOW_MS - now) / 1000)),
    }
  }
}

/** Supabase names no `retry-after`. */
export function limitHeaders(remaining: number, resetSeconds: number): Record<string, string> {
  return {
    'x-ratelimit-limit': String(REQUESTS_PER_MINUTE),
    'x-ratelimit-remaining': String(Math.max(0, remaining)),
    'x-ratelimit-reset': String(resetSeconds),
  }
}
