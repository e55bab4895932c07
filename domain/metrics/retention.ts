/** Figures by the hour are kept for so many whole UTC days before today; figures by the day are kept. */
export const HOURS_KEPT_DAYS = 90

const DAY_MS = 86_400_000

/** Where the UTC day begins that `at` lies in. */
export function utcDay(at: number): number {
  return Math.floor(at / DAY_MS) * DAY_MS
}

/** The oldest hour that is kept at `at`. `flarewatch.hours_kept_from` says the same to the database. */
export function hoursKeptFrom(at: number): number {
  return utcDay(at) - HOURS_KEPT_DAYS * DAY_MS
}
