import { z } from 'zod'

/** Supabase's Management API (api.supabase.com/api/v1-json, as in github.com/supabase/cli). Unknown members are ignored. */
export const MAX_PROJECTS = 1000

/** As it stands in paths. */
const projectRef = z.string().regex(/^[a-z]{20}$/)
/** A status that we do not know is one that is not active. */
const status = z.string().max(32)

export const Project = z.object({ ref: projectRef, name: z.string().min(1).max(253), status })
export type Project = z.infer<typeof Project>

/** `GET /v1/projects`: all of them at once, without pages. */
export const Projects = z.array(Project).max(MAX_PROJECTS)

/** Whether it runs at all: a paused one, or one under restoration, has no database to ask. */
export function isActive({ status: now }: Project): boolean {
  return now === 'ACTIVE_HEALTHY' || now === 'ACTIVE_UNHEALTHY'
}

export function queryPath(ref: string): string {
  return `/v1/projects/${ref}/database/query/read-only`
}

const wholeNumber = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(Number)
  .refine(Number.isSafeInteger)

/** `DATABASE_QUERY`: one row. `statements_schema` is null where pg_stat_statements is not installed. */
export const DatabaseRows = z.tuple([
  z.object({
    read_at: wholeNumber,
    database_bytes: wholeNumber,
    connections: wholeNumber,
    connection_limit: wholeNumber,
    statements_schema: z.string().max(63).nullable(),
  }),
])
export const SlowStatementsRows = z.tuple([z.object({ read_at: wholeNumber, slow_statements: wholeNumber })])
