import { challengeHeaders } from '../../domain/contracts/challenge.ts'

/** The one shape in which a refusal leaves a Worker over HTTP. `message` is our own words, never a caller's or provider's. */
export function errorResponse(error: {
  readonly code: string
  readonly status: number
  readonly message: string
  readonly requestId: string
  readonly headers?: Record<string, string>
}): Response {
  const body = { error: { code: error.code, message: error.message, request_id: error.requestId } }
  return Response.json(body, {
    status: error.status,
    headers: { 'cache-control': 'no-store', ...challengeHeaders(error.code), ...error.headers },
  })
}
