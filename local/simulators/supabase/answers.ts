import { DATABASE_QUERY, SLOW_STATEMENTS_QUERY } from '../../../domain/providers/supabase/queries.ts'
import type { Answer } from '../loopback-server.ts'
import type { Permission } from './tokens.ts'
import type { World, WorldProject } from './world.ts'

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

/** Recognised by their exact text: this is no Postgres. */
export function queryAnswer(query: string, project: WorldProject, world: World, now: number): Answer {
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
        : rows({ read_at: String(Math.floor(now / 1000)), slow_statements: String(reading.slowStatements) })
    default:
      return sqlError('42601', `syntax error at or near "${query.split(/\s/, 1)[0]}"`)
  }
}

function rows(row: Record<string, string | null>): Answer {
  return { status: 201, body: [row] }
}

function sqlError(code: string, message: string): Answer {
  return refused(400, `Failed to run sql query: ERROR:  ${code}: ${message}\n`)
}
