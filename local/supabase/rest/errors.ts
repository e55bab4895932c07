import postgres from 'postgres'

/** An error as PostgREST writes it. */
export type RestError = {
  readonly code: string
  readonly message: string
  readonly details?: string | null
  readonly hint?: string | null
}

export class RestRefused extends Error {
  readonly status: number
  readonly error: RestError
  constructor(status: number, error: RestError) {
    super(error.message)
    this.status = status
    this.error = error
  }
}

/** PostgREST's table of SQLSTATEs, the longest prefix first; everything else, our own FWxxx among it, is a 400. */
const STATUS_BY_SQLSTATE: readonly (readonly [string, number])[] = [
  ['23503', 409],
  ['23505', 409],
  ['25006', 405],
  ['42883', 404],
  ['42P01', 404],
  ['42P17', 500],
  ['57P01', 503],
  ['P0001', 400],
  ['08', 503],
  ['09', 500],
  ['0L', 403],
  ['0P', 403],
  ['25', 500],
  ['28', 403],
  ['2D', 500],
  ['38', 500],
  ['39', 500],
  ['3B', 500],
  ['40', 500],
  ['53', 503],
  ['54', 500],
  ['55', 500],
  ['57', 500],
  ['58', 500],
  ['F0', 500],
  ['HV', 500],
  ['P0', 500],
  ['XX', 500],
]
const INSUFFICIENT_PRIVILEGE = '42501'

export function restErrorResponse(error: unknown, role: string): Response {
  if (error instanceof RestRefused) return respond(error.status, error.error)
  if (error instanceof postgres.PostgresError) {
    const { code, message, detail, hint } = error
    return respond(statusOf(code, role), { code, message, details: detail ?? null, hint: hint ?? null })
  }
  return respond(503, { code: 'PGRST001', message: 'Could not reach the database' })
}

function statusOf(sqlState: string, role: string): number {
  if (sqlState === INSUFFICIENT_PRIVILEGE) return role === 'anon' ? 401 : 403
  return STATUS_BY_SQLSTATE.find(([prefix]) => sqlState.startsWith(prefix))?.[1] ?? 400
}

function respond(status: number, { code, message, details = null, hint = null }: RestError): Response {
  return Response.json({ code, message, details, hint }, { status })
}
