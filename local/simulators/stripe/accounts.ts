export const HOUR_MS = 3_600_000
/** Two years of history by the autumn of 2026; from there it goes on by its clock. */
export const WORLD_BEGINS = Date.UTC(2024, 9, 1)

export type Mode = 'live' | 'test'
export type WorldAccount = {
  readonly id: string
  readonly displayName: string
  readonly timeZone: string
  /** The first is the default one, in which most is paid. */
  readonly currencies: readonly [string, string, string]
}
