import { z } from 'zod'
import { type Sql, sqlStateOf } from '../runtime/database.ts'

/** Rows that one step removes: a transaction of a second or so, in whose way few others stand. */
const BATCH_ROWS = 20_000
/** What one invocation does of it; the next night goes on where this one ended. */
const MAX_STEPS = 500
const LOCK_NOT_AVAILABLE = '55P03'

const Step = z.object({ dropped: z.string().nullable(), removed: z.number(), held: z.number() })

/** `held`: rows past their time that stay, since no day is made of them. `ended`: why it went no further. */
export type PruningSummary = {
  readonly months: number
  readonly rows: number
  readonly held: number
  readonly ended: 'done' | 'busy' | 'more'
}

/** Hours that are past their 90 days go, step by step. Each step is a transaction: one that breaks off leaves the rest to the next night. */
export async function pruneHours(sql: Sql, at: Date, batch = BATCH_ROWS): Promise<PruningSummary> {
  let [months, rows] = [0, 0]
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const done = await pruneStep(sql, at, batch)
    if (done === 'busy') return { months, rows, held: 0, ended: 'busy' }
    if (done.dropped === null && done.removed === 0) return { months, rows, held: done.held, ended: 'done' }
    months += done.dropped === null ? 0 : 1
    rows += done.removed
  }
  return { months, rows, held: 0, ended: 'more' }
}

async function pruneStep(sql: Sql, at: Date, batch: number): Promise<z.output<typeof Step> | 'busy'> {
  try {
    const [row] = await sql`select dropped, removed, held from flarewatch.prune_hours(${at}, ${batch})`
    return Step.parse(row)
  } catch (error) {
    if (sqlStateOf(error) === LOCK_NOT_AVAILABLE) return 'busy'
    throw error
  }
}
