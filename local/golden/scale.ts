export type Scale = 'ci' | 'full'
export type GoldenOptions = { readonly seed: number; readonly scale: Scale; readonly say: (line: string) => void }

/** Sixty days before it hold the ends of summer time in Berlin and Los Angeles, and its beginning in Auckland. */
export const ENDS_AT = Date.UTC(2026, 10, 24, 10, 30)
/** Two years, and the month that they begin in. */
export const LONGEST_BACKFILL_MS = 762 * 86_400_000
