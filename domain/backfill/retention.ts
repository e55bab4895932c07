const DAY_MS = 24 * 3_600_000

/** How far back a site's history is read, whatever a plan would give: hours as long as they are kept, days as partitions reach. SQL has both too. */
export const HISTORY_MS = {
  hourly: 90 * DAY_MS,
  hourly_rollup: 90 * DAY_MS,
  daily: 730 * DAY_MS,
  paths: 730 * DAY_MS,
} as const
