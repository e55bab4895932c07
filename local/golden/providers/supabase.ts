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
    books: [booksOf(world, 'hourly', HOUR_MS), booksOf(world, 'daily', DAY_MS), ...errorsOf(world)],
  }
}

function booksOf(world: World, dataset: Books['dataset'], windowMs: number): Books {
  function* entries(site: BookSite, at: number): Generator<Entry> {
    const project = projectOf(world, site)
    const windowStart = Math.floor(at / windowMs) * windowMs
    const isActive = isRunning(project)
    const read: Read = { project, reading: world.reading(project, at), isActive }
    for (const metric of METRICS) {
      const value = COLUMNS[metric](read)
      if (value === undefined) continue
      yield { metric, windowStart, windowEnd: windowStart + windowMs, currency: null, value }
    }
  }
  return { dataset, read: { everyMs: 0, metrics: METRICS, entries } }
}

/** Logs reach back by a day, and a project that refuses them has no such figure. An hour without a call had no error. */
function errorsOf(world: World): readonly Books[] {
  const booksBy = (dataset: Books['dataset'], windowMs: number): Books => {
    function* entries(site: BookSite, from: number, to: number): Generator<Entry> {
      const project = projectOf(world, site)
      for (let begin = Math.floor(from / DAY_MS) * DAY_MS - DAY_MS; begin + windowMs <= to; begin += windowMs) {
        const hours = Array.from({ length: windowMs / HOUR_MS }, (_, index) => begin + index * HOUR_MS)
        const value = hours.reduce((sum, hour) => sum + (world.functionErrors(project, hour) ?? 0), 0)
        yield { metric: 'function_errors', currency: null, windowStart: begin, windowEnd: begin + windowMs, value }
      }
    }
    return { dataset, fleeting: { metrics: ['function_errors'], entries } }
  }
  return [booksBy('hourly', HOUR_MS), booksBy('daily', DAY_MS)]
}

function projectOf(world: World, { ref }: BookSite): WorldProject {
  const project = world.projects.find((own) => own.ref === ref)
  if (project === undefined) throw new Error(`no project ${ref}`)
  return project
}

function isRunning({ status }: WorldProject): boolean {
  return status.startsWith('ACTIVE_')
}
