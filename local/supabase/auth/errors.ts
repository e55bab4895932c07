/** An error as Supabase Auth writes it: `{ code, error_code, msg }`. */
export class AuthRefused extends Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

export function authErrorResponse(error: unknown): Response {
  const { status, code, message } =
    error instanceof AuthRefused ? error : new AuthRefused(500, 'unexpected_failure', 'Unexpected failure')
  return Response.json(
    { code: status, error_code: code, msg: message },
    { status, headers: { 'x-sb-error-code': code } },
  )
}
