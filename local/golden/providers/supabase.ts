import type { MetricName } from '../../../domain/metrics/definitions.ts'
import { startSupabaseSimulator } from '../../simulators/supabase/simulator.ts'
import { DAY_MS, HOUR_MS, type Reading, World, type WorldProject } from '../../simulators/supabase/world.ts'
import type { BookSite, Books, Entry, Open } from '../books.ts'

type Read = { readonly project: WorldProject; readonly reading: Reading; readonly isActive: boolean }
/** A line a metric: what its reading gives; undefined where a project has no such figure. */
const COLUMNS = {
  project_active: ({ isActive }: Read) => (isActive ? 1 : 0),
  database_bytes: ({ reading, isActive }: Read) => (isActive ? reading.databaseBytes : undefined),
  database_connections: ({ reading, isActive }: Read) => (isActive ? reading.connections : undefined),
  database_connection_limit: ({ project, isActive }: Read) => (isActive ? project.connectionLimit : undefined),
  slow_statements: ({ reading, project, isActive }: Read) =>
    isActive && project.statementsSchema !== null ? reading.slowStatements : undefined,
} as const satisfies { readonly [Name in MetricName]?: (read: Read) => number | undefined }
const METRICS = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]

export const openSupabase: Open = async (options) => {
  const simulator = await startSupabaseSimulator(options)
  const world = new World(options.seed)
  return {
    simulator,
    accounts: [
      {
        key: simulator.issueReadKey(),
        sites: world.projects.map(({ ref, name }) => ({ ref, name, timeZone: 'UTC' })),
      },
    ],
    books: [booksOf(world, 'hourly', HOUR_MS), booksOf(world, 'daily', DAY_MS)],
  }
}

function booksOf(world: World, dataset: Books['dataset'], windowMs: number): Books {
  function* entries({ ref }: BookSite, at: number): Generator<Entry> {
    const project = world.projects.find((own) => own.ref === ref)
    if (project === undefined) throw new Error(`no project ${ref}`)
    const windowStart = Math.floor(at / windowMs) * windowMs
    const isActive = project.status.startsWith('ACTIVE_')
    const read: Read = { project, reading: world.reading(project, at), isActive }
    for (const metric of METRICS) {
      const value = COLUMNS[metric](read)
      if (value === undefined) continue
      yield { metric, windowStart, windowEnd: windowStart + windowMs, currency: null, value }
    }
  }
  return { dataset, read: { metrics: METRICS, entries } }
}
