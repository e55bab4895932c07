import postgres from 'postgres'
import { z } from 'zod'
import { RestRefused, restErrorResponse } from './errors.ts'

/**
 * `/rest/v1`, narrowed to what the Edge Functions use: `POST /rpc/{function}` on schema `privileged`, one `request` each.
 *
 * Not lite's own REST: before its first answer that grants ALL on every table to anon, authenticated and service_role, and it
 * serves every schema that it can see. This one holds a role that can do nothing by itself (`authenticator`, NOINHERIT), takes on
 * the caller's role and claims for one transaction, and reads and writes JSON as text, so that no number is rounded on the way.
 */
export type RestParts = {
  readonly sql: postgres.Sql
  readonly onError: (error: unknown) => void
}
export type RestRequest = {
  readonly method: string
  /** Below `/rest/v1`, without the query. */
  readonly path: string
  readonly headers: Headers
  readonly body: string
  readonly caller: Caller
}
export type Caller = {
  readonly role: 'anon' | 'authenticated' | 'service_role'
  readonly claims: Record<string, unknown>
}

const EXPOSED_SCHEMA = 'privileged'
const FUNCTION_PATH = /^\/rpc\/([a-z_][a-z0-9_]{0,62})$/
const Arguments = z.strictObject({ request: z.unknown() })

export async function handleRest(parts: RestParts, request: RestRequest): Promise<Response> {
  try {
    return await call(parts.sql, request)
  } catch (error) {
    if (!(error instanceof RestRefused || error instanceof postgres.PostgresError)) parts.onError(error)
    return restErrorResponse(error, request.caller.role)
  }
}

async function call(sql: postgres.Sql, { method, path, headers, body, caller }: RestRequest): Promise<Response> {
  const isRead = method === 'GET' || method === 'HEAD'
  const schema = headers.get(isRead ? 'accept-profile' : 'content-profile') ?? EXPOSED_SCHEMA
  if (schema !== EXPOSED_SCHEMA) {
    throw new RestRefused(406, {
      code: 'PGRST106',
      message: `Invalid schema: ${schema.slice(0, 63)}`,
      hint: `Only the following schemas are exposed: ${EXPOSED_SCHEMA}`,
    })
  }
  const name = FUNCTION_PATH.exec(path)?.[1]
  if (name === undefined) {
    throw new RestRefused(404, { code: 'PGRST205', message: 'Could not find the table in the schema cache' })
  }
  if (method !== 'POST') throw new RestRefused(405, { code: 'PGRST101', message: 'Only POST is allowed on RPC' })
  const hasRequest = Arguments.safeParse(parseBody(body)).success
  const answer = await sql.begin(async (tx) => {
    await tx`
      select set_config('role', ${caller.role}, true),
        set_config('request.jwt.claims', ${JSON.stringify(caller.claims)}, true)`
    if (!hasRequest || !(await exists(tx, name))) throw functionNotFound(name)
    const [row] = await tx<{ answer: string | null }[]>`
      select ${tx(EXPOSED_SCHEMA)}.${tx(name)}(request => (${body}::text)::jsonb -> 'request')::text as answer`
    return row?.answer ?? 'null'
  })
  return new Response(answer, { headers: { 'content-type': 'application/json; charset=utf-8' } })
}

/** A function of ours: of the exposed schema, with exactly one argument, `request jsonb`. */
async function exists(sql: postgres.TransactionSql, name: string): Promise<boolean> {
  const found = await sql`
    select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = ${EXPOSED_SCHEMA} and p.proname = ${name} and p.prokind = 'f'
      and p.proargnames = array['request'] and p.proargtypes[0] = 'jsonb'::pg_catalog.regtype and p.pronargs = 1`
  return found.length === 1
}

function functionNotFound(name: string): RestRefused {
  return new RestRefused(404, {
    code: 'PGRST202',
    message: `Could not find the function ${EXPOSED_SCHEMA}.${name}(request) in the schema cache`,
    details: `Searched for the function ${EXPOSED_SCHEMA}.${name} with parameter request, but no matches were found in the schema cache.`,
  })
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    throw new RestRefused(400, { code: 'PGRST102', message: 'Empty or invalid json' })
  }
}
