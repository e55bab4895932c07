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

/** Supabase's logs reach back by a day, and an hour's last lines are in them five minutes after it. */
const LOGS_HOURS = 24
const LOG_LAG_MS = 5 * 60_000

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
  return { dataset, read: { metrics: METRICS, entries } }
}

/** A reading tells the hours that its logs still hold; an hour without a call had no error. */
function errorsOf(world: World): readonly Books[] {
  const errors = (project: WorldProject, hour: number) => world.functionErrors(project, hour) ?? 0
  const about = { metric: 'function_errors', currency: null } as const
  function* told(site: BookSite, at: number): Generator<Entry> {
    const project = projectOf(world, site)
    if (!isRunning(project)) return
    const until = Math.floor((at - LOG_LAG_MS) / HOUR_MS) * HOUR_MS
    for (let hour = until - LOGS_HOURS * HOUR_MS; hour < until; hour += HOUR_MS) {
      yield { ...about, windowStart: hour, windowEnd: hour + HOUR_MS, value: errors(project, hour) }
    }
  }
  function* days(site: BookSite, from: number, to: number): Generator<Entry> {
    const project = projectOf(world, site)
    for (let day = Math.floor(from / DAY_MS) * DAY_MS - DAY_MS; day + DAY_MS <= to; day += DAY_MS) {
      const hours = Array.from({ length: 24 }, (_, index) => errors(project, day + index * HOUR_MS))
      const value = hours.reduce((sum, hour) => sum + hour, 0)
      yield { ...about, windowStart: day, windowEnd: day + DAY_MS, value }
    }
  }
  return [
    { dataset: 'hourly', read: { metrics: ['function_errors'], entries: told } },
    { dataset: 'daily', summed: { metrics: ['function_errors'], entries: days } },
  ]
}

function projectOf(world: World, { ref }: BookSite): WorldProject {
  const project = world.projects.find((own) => own.ref === ref)
  if (project === undefined) throw new Error(`no project ${ref}`)
  return project
}

function isRunning({ status }: WorldProject): boolean {
  return status.startsWith('ACTIVE_')
}
