import { HOURS_KEPT_DAYS } from '../metrics/retention.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** What one figure of a dataset stands for. */
export const WINDOW_MS = { hourly: HOUR_MS, hourly_rollup: HOUR_MS, daily: DAY_MS, paths: DAY_MS } as const

/** How far back a site's history is read, whatever a plan would give: hours as long as they are kept, days as partitions reach. SQL has both too. */
export const HISTORY_MS = {
  hourly: HOURS_KEPT_DAYS * DAY_MS,
  hourly_rollup: HOURS_KEPT_DAYS * DAY_MS,
  daily: 730 * DAY_MS,
  paths: 730 * DAY_MS,
} as const
