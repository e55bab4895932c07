import { z } from 'zod'

/**
 * How a run ended. `complete` alone is a success. `empty`: the provider answered whole and said that there is none; where it only seems
 * so, the run is `partial`.
 */
export const RunState = z.enum(['complete', 'partial', 'throttled', 'empty', 'parked', 'failed'])
export type RunState = z.infer<typeof RunState>

/** The share of a credential's runs that are to be complete. Held against `flarewatch.run_objective` in SQL. */
export const RUN_OBJECTIVE = 0.99
/** UTC days, today among them, whose runs are counted for it. Held against `flarewatch.budget_days` in SQL. */
export const BUDGET_DAYS = 7
