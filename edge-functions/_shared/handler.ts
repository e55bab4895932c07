import { CHALLENGE_HEADER } from 'domain/contracts/challenge.ts'
import { STEP_UP_HEADER } from 'domain/contracts/edge-door.ts'
import { IDEMPOTENCY_HEADER } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import { readRequestJson } from './bounded-body.ts'
import { answeredLine, errorResponse, logLine, Refused } from './errors.ts'
import type { User, UserVerifier } from './user.ts'

export type Call<Input> = {
  readonly input: Input
  readonly user: User
  readonly headers: Headers
  readonly requestId: string
  /** Aborted when the caller goes away. */
  readonly signal: AbortSignal
  readonly now: number
}

export type FunctionParts<Schema extends z.ZodType> = {
  readonly name: string
  readonly dashboardUrl: string
  readonly request: Schema
  readonly verifyUser: UserVerifier
  readonly act: (call: Call<z.infer<Schema>>) => Promise<unknown>
}

/**
 * The dashboard's pages alone may read an answer. Authority is the bearer token, which a browser never attaches by itself; this
 * keeps a token that another page got hold of from being used there.
 */
const corsFor = (dashboardUrl: string) => ({
  'access-control-allow-origin': new URL(dashboardUrl).origin,
  vary: 'origin',
  'access-control-expose-headers': CHALLENGE_HEADER,
  'access-control-allow-methods': 'POST, OPTIONS',
  'access-control-allow-headers': [
    'authorization',
    'apikey',
    'content-type',
    'x-client-info',
    IDEMPOTENCY_HEADER,
    STEP_UP_HEADER,
  ].join(', '),
  'access-control-max-age': '7200',
})

/** What every function has in common: CORS, method, verified user, bounded and parsed body, one mapping of errors. */
export function functionHandler<Schema extends z.ZodType>(
  parts: FunctionParts<Schema>,
): (request: Request) => Promise<Response> {
  const cors = corsFor(parts.dashboardUrl)
  return async (request) => {
    if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: cors })
    const requestId = crypto.randomUUID()
    const response = await answer(parts, request, requestId).catch((error: unknown) => {
      console.error(logLine(error, requestId, parts.name))
      return errorResponse(error, requestId)
    })
    for (const [name, value] of Object.entries(cors)) response.headers.set(name, value)
    response.headers.set('cache-control', 'no-store')
    return response
  }
}

async function answer<Schema extends z.ZodType>(
  parts: FunctionParts<Schema>,
  request: Request,
  requestId: string,
): Promise<Response> {
  const { headers, signal, method } = request
  if (method !== 'POST') throw new Refused('method_not_allowed')
  const user = await parts.verifyUser(request)
  const parsed = parts.request.safeParse(await readRequestJson(request))
  if (!parsed.success) {
    // A path names fields of our schema; a message may quote the input, so it is left behind.
    const paths = new Set(parsed.error.issues.map(({ path }) => path.join('.')))
    throw new Refused('request_invalid', { fields: [...paths].filter(Boolean) })
  }
  const now = Date.now()
  const answered = await parts.act({ input: parsed.data, user, headers, requestId, signal, now })
  console.log(answeredLine(requestId, parts.name))
  return Response.json(answered)
}
