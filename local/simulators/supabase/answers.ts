import { z } from 'zod'
import { LINTS_QUERY } from '../../../domain/providers/supabase/lints.ts'
import {
  DATABASE_QUERY,
  FUNCTION_ERRORS_QUERY,
  MAX_SLOW_STATEMENTS,
  SLOW_STATEMENTS_QUERY,
} from '../../../domain/providers/supabase/queries.ts'
import type { Answer } from '../loopback-server.ts'
import type { Permission } from './tokens.ts'
import { HOUR_MS, type World, type WorldProject } from './world.ts'

export function refused(status: number, message: string): Answer {
  return { status, body: { message } }
}

export function forbidden(missing: readonly Permission[]): Answer {
  const message = 'Your access token does not have the necessary permissions to access this endpoint.'
  return { status: 403, body: { message, missing_permissions: missing } }
}

/** V1ProjectWithDatabaseResponse of its OpenAPI. */
export function projectBody({ ref, name, createdAt }: WorldProject, status: string) {
  return {
    id: ref,
    ref,
    organization_id: 'abcdefghijklmnopqrst',
    organization_slug: 'abcdefghijklmnopqrst',
    name,
    region: 'eu-west-1',
    created_at: new Date(createdAt).toISOString(),
    status,
    database: { host: `db.${ref}.supabase.co`, version: '17.6.1.008', postgres_engine: '17', release_channel: 'ga' },
  }
}

/** The product's own queries, by their exact text; undefined for any other statement. */
export function queryAnswer(query: string, project: WorldProject, world: World, now: number): Answer | undefined {
  const reading = world.reading(project, now)
  switch (query) {
    case DATABASE_QUERY:
      return rows({
        read_at: String(Math.floor(now / 1000)),
        database_bytes: String(reading.databaseBytes),
        connections: String(reading.connections),
        connection_limit: String(project.connectionLimit),
        statements_schema: project.statementsSchema,
      })
    case SLOW_STATEMENTS_QUERY:
      return project.statementsSchema === null
        ? sqlError('42P01', 'relation "extensions.pg_stat_statements" does not exist')
        : rows({
            read_at: String(Math.floor(now / 1000)),
            slow_statements: String(reading.slowStatements),
            slowest: slowest(project, world, now),
          })
    case LINTS_QUERY:
      return rows({ read_at: String(Math.floor(now / 1000)), found: JSON.stringify(world.lints(project, now)) })
    default:
      return undefined
  }
}

export function unknownStatement(query: string): Answer {
  return sqlError('42601', `syntax error at or near "${query.split(/\s/, 1)[0]}"`)
}

function slowest(project: WorldProject, world: World, now: number): string {
  const statements = world.slowest(project, now).slice(0, MAX_SLOW_STATEMENTS)
  return JSON.stringify(
    statements.map(({ id, calls, meanMs }) => ({ id, calls: String(calls), mean_ms: String(meanMs) })),
  )
}

const MAX_RANGE_MS = 24 * HOUR_MS
const Range = z
  .object({
    sql: z.literal(FUNCTION_ERRORS_QUERY),
    iso_timestamp_start: z.iso.datetime(),
    iso_timestamp_end: z.iso.datetime(),
  })
  .transform(({ iso_timestamp_start: from, iso_timestamp_end: to }) => ({ from: Date.parse(from), to: Date.parse(to) }))

/** AnalyticsResponse of its OpenAPI: an hour that nobody called a function in has no row, and a refused query is told with a 200. */
export function logsAnswer(query: URLSearchParams, project: WorldProject, world: World, now: number): Answer {
  const range = Range.safeParse(Object.fromEntries(query))
  if (!range.success) return { status: 200, body: { result: [], error: 'Error executing query' } }
  const { from, to } = range.data
  if (to - from > MAX_RANGE_MS) return refused(400, 'Timestamp range must be no more than 24 hours')
  const read_at = Math.floor(now / 1000)
  const hours: { readonly hour: number; readonly errors: number; readonly read_at: number }[] = []
  for (let hour = Math.ceil(from / HOUR_MS) * HOUR_MS; hour < Math.min(to, now); hour += HOUR_MS) {
    const errors = world.functionErrors(project, hour)
    if (errors !== null) hours.push({ hour: hour / 1000, errors, read_at })
  }
  const total = hours.reduce((sum, { errors }) => sum + errors, 0)
  return { status: 200, body: { result: [{ hour: 0, errors: total, read_at }, ...hours], error: null } }
}

function rows(row: Record<string, string | null>): Answer {
  return { status: 201, body: [row] }
}

function sqlError(code: string, message: string): Answer {
  return refused(400, `Failed to run sql query: ERROR:  ${code}: ${message}\n`)
}
