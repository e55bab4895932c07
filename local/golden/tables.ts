import type postgres from 'postgres'

/** Tables that grow with time, why they may, and for how many days: no end is null. Every other one must stay as it is once an agency is connected. */
const MAY_GROW: Readonly<Record<string, { readonly why: string; readonly days: number | null }>> = {
  facts_hourly: { why: 'a row a site, metric and hour, kept for 90 days', days: 90 },
  facts_daily: { why: 'a row a site, metric and day, kept', days: null },
  facts_top: { why: 'a row a site, day and largest share, kept', days: null },
  jobs: { why: 'a row a poll, kept for 7 days', days: 7 },
  run_counts: { why: 'a row a key, day and kind of end, kept for 7 days', days: 7 },
  findings: { why: 'a row a thing found, kept for a year once it is resolved', days: 365 },
}
/** Of a table that stays: room for what comes and goes. */
const TOLERANCE = { part: 0.05, rows: 5 } as const

export type Counts = ReadonlyMap<string, number>
export type Growth = {
  readonly tables: Readonly<
    Record<string, { readonly half_way: number; readonly end: number; readonly may_grow: string | null }>
  >
  readonly unexplained: readonly string[]
}

/** Every table of the product, partitions counted with the table they are of. */
export async function countRows(sql: postgres.Sql): Promise<Counts> {
  const tables = await sql<{ name: string }[]>`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'flarewatch' and c.relkind in ('r', 'p') and not c.relispartition order by 1`
  const counts = new Map<string, number>()
  for (const { name } of tables) {
    const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ${sql(`flarewatch.${name}`)}`
    counts.set(name, row?.count ?? 0)
  }
  return counts
}

/** Half-way everything that has a limit has reached it. */
export function unexplainedGrowth(days: readonly Counts[]): Growth {
  const halfDay = Math.floor(days.length / 2)
  const [halfWay, end] = [days[halfDay], days.at(-1)]
  const tables: Record<string, Growth['tables'][string]> = {}
  const unexplained: string[] = []
  for (const [name, rows] of end ?? []) {
    const before = halfWay?.get(name) ?? 0
    const limit = MAY_GROW[name]
    const may_grow = limit !== undefined && (limit.days === null || limit.days > halfDay) ? limit.why : null
    if (rows > 0) tables[name] = { half_way: before, end: rows, may_grow }
    const isWithin = rows <= before * (1 + TOLERANCE.part) + TOLERANCE.rows
    if (!isWithin && may_grow === null) unexplained.push(`${name}: ${before} rows half-way, ${rows} at the end`)
  }
  return { tables, unexplained }
}
