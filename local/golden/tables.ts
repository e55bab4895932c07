import type postgres from 'postgres'

/** Tables that grow with time, and why they may. Every other one must stay as it is once an agency is connected. */
const MAY_GROW: Readonly<Record<string, string>> = {
  facts_hourly: 'a row a site, metric and hour, kept for 90 days',
  facts_daily: 'a row a site, metric and day, kept',
  audit_log: 'two rows a release, kept for two years',
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
  const [halfWay, end] = [days[Math.floor(days.length / 2)], days.at(-1)]
  const tables: Record<string, Growth['tables'][string]> = {}
  const unexplained: string[] = []
  for (const [name, rows] of end ?? []) {
    const before = halfWay?.get(name) ?? 0
    const may_grow = MAY_GROW[name] ?? null
    if (rows > 0) tables[name] = { half_way: before, end: rows, may_grow }
    const isWithin = rows <= before * (1 + TOLERANCE.part) + TOLERANCE.rows
    if (!isWithin && may_grow === null) unexplained.push(`${name}: ${before} rows half-way, ${rows} at the end`)
  }
  return { tables, unexplained }
}
