/** How many of a day's shares are kept by name. */
export const MAX_KEPT_SHARES = 25

export type Share = { readonly key: string; readonly value: number; readonly sampling: number }

/** The largest shares by name, in order, and all that is not named: together the whole. */
export type Top = { readonly shares: readonly Share[]; readonly rest: number }

/** Of equal shares the one whose key sorts first, so that reading a day again gives the same. */
export function topOf(shares: readonly Share[], total: number): Top {
  const largest = [...shares]
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value || (a.key < b.key ? -1 : 1))
    .slice(0, MAX_KEPT_SHARES)
  const named = largest.reduce((sum, { value }) => sum + value, 0)
  // Estimates from a sample can add up to a little more than the estimate of the whole.
  return { shares: largest, rest: Math.max(0, total - named) }
}
