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
