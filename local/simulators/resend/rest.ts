import type { Answer } from '../loopback-server.ts'
/** resend.com/docs/api-reference/errors */
export function refused(statusCode: number, name: string, message: string): Answer {
  return { status: statusCode, body: { statusCode, name, message } }
}

export function invalid(message: string): Answer {
  return refused(422, 'validation_error', message)
}

/** Postgres' own text of a moment, as Resend gives it. */
export function timestamp(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').replace('Z', '000+00')
}

const MAX_PAGE = 100
const USUAL_PAGE = 20
export type PageRequest = { readonly limit: number; readonly after: string | null; readonly before: string | null }

/** resend.com/docs/api-reference/pagination */
export function pageRequest(query: URLSearchParams): PageRequest | Answer {
  const limit = Number(query.get('limit') ?? USUAL_PAGE)
  const [after, before] = [query.get('after'), query.get('before')]
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
    return invalid('The `limit` must be a number between 1 and 100.')
  }
  if (after !== null && before !== null) return invalid('The `after` and `before` parameters cannot be used together.')
  return { limit, after, before }
}

export function list(data: readonly unknown[], has_more: boolean): Answer {
  return { status: 200, body: { object: 'list', has_more, data } }
}
