import { BindingsRefused } from './bindings.ts'
import { sqlStateOf } from './database.ts'
import { errorResponse } from './error-response.ts'
import { log } from './log.ts'

/** The answer to what nobody foresaw: the caller gets a code and an id, the log its kind; an error's text may quote what it failed on. */
export function failureResponse(part: string, error: unknown, requestId: string): Response {
  if (error instanceof BindingsRefused) {
    for (const name of error.missing) log(part, 'error', 'binding_missing', { request_id: requestId, code: name })
    return errorResponse({ code: 'binding_missing', status: 503, message: error.message, requestId })
  }
  const sqlstate = sqlStateOf(error)
  const code = error instanceof Error ? error.name : typeof error
  log(part, 'error', 'failed', { request_id: requestId, code, status: 500, ...(sqlstate === null ? {} : { sqlstate }) })
  return errorResponse({ code: 'internal', status: 500, message: `${part} failed`, requestId })
}
