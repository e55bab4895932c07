import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { CONTROL_PATH } from '../control.ts'
import { type Answer, parsedBody, readBody, send, serveLoopback } from '../loopback-server.ts'
import { Letter, Mailbox } from './mailbox.ts'

/**
 * A mail sink that speaks Resend's wire format on loopback: every mail becomes a file, none leaves the machine. With its limits (5
 * requests a second), its errors and its idempotency keys, so that what works here works there.
 */
export type MailSinkOptions = {
  readonly folder: string
  readonly apiKey: string
  readonly log: (line: string) => void
  readonly port?: number | undefined
  readonly now?: (() => number) | undefined
  /** Whether tests may strike it with faults and look at what it was sent. */
  readonly controllable: boolean
}
export type MailSink = {
  readonly apiUrl: string
  readonly controlUrl: string
  readonly stop: () => Promise<void>
}

const MAX_KEY_CHARACTERS = 256
const REQUESTS_PER_SECOND = 5
const MAX_SEEN = 1000

/** `accepted_unanswered` files the mail and never answers, as a connection does that dies on the way back. */
const FaultRequest = z.strictObject({
  kind: z.enum(['rate_limited', 'server_error', 'timeout', 'accepted_unanswered', 'refused', 'key_refused']),
  times: z.int().min(1).max(1000).default(1),
  retry_after: z.int().min(1).max(86_400).default(1),
})
type Fault = z.output<typeof FaultRequest>
type Seen = { readonly at: number; readonly key: string | null; readonly status: number; readonly body: string }

type State = {
  readonly mailbox: Mailbox
  readonly apiKey: string
  readonly now: () => number
  readonly controllable: boolean
  readonly seen: Seen[]
  faults: Fault[]
  recent: number[]
}

export async function startMailSink(options: MailSinkOptions): Promise<MailSink> {
  const { folder, apiKey, log, port, now = Date.now, controllable } = options
  const state: State = { mailbox: new Mailbox(folder), apiKey, now, controllable, seen: [], faults: [], recent: [] }
  const { url: apiUrl, stop } = await serveLoopback({
    log,
    port,
    handle: (request, response) => handle(request, response, state),
  })
  log(`mail sink on ${apiUrl}: every mail becomes a file in ${folder}`)
  return {
    apiUrl,
    controlUrl: apiUrl + CONTROL_PATH,
    stop,
  }
}

async function handle(request: IncomingMessage, response: ServerResponse, state: State): Promise<void> {
  const body = await readBody(request)
  const path = new URL(request.url ?? '/', 'http://sink').pathname
  if (state.controllable && path.startsWith(CONTROL_PATH)) {
    return send(response, control(`${request.method} ${path.slice(CONTROL_PATH.length + 1)}`, body ?? '', state))
  }
  const answer = path === '/emails' && request.method === 'POST' ? post(request, body, state) : notFound()
  const key = request.headers['idempotency-key']
  state.seen.push({
    at: state.now(),
    key: typeof key === 'string' ? key : null,
    status: answer === 'silence' ? 0 : answer.status,
    body: body ?? '',
  })
  if (state.seen.length > MAX_SEEN) state.seen.shift()
  // Silence: the socket stays open until the client gives up or the sink stops.
  if (answer !== 'silence') send(response, answer)
}

function post(request: IncomingMessage, body: string | undefined, state: State): Answer | 'silence' {
  const refusal = judgeHeaders(request, state)
  if (refusal !== null) return refusal
  const fault = takeFault(state)
  if (fault !== undefined && fault.kind !== 'accepted_unanswered') return strike(fault)
  if (body === undefined) return refused(413, 'validation_error', 'The request is too large.')
  const letter = Letter.safeParse(parsedBody(body))
  if (!letter.success) return refused(422, 'validation_error', z.prettifyError(letter.error))
  const key = request.headers['idempotency-key']
  const filed = state.mailbox.deliver(letter.data, typeof key === 'string' ? key : undefined, state.now())
  if (fault !== undefined) return 'silence'
  if (filed === 'conflict') {
    return refused(409, 'invalid_idempotent_request', 'Same idempotency key used with a different request payload.')
  }
  return { status: 200, body: { id: filed.id } }
}

function judgeHeaders({ headers }: IncomingMessage, state: State): Answer | null {
  const [authorization, key] = [headers.authorization, headers['idempotency-key']]
  if (headers['user-agent'] === undefined) return refused(403, 'validation_error', 'A User-Agent is required.')
  if (authorization === undefined) return refused(401, 'missing_api_key', 'Missing API Key')
  if (!isEqual(authorization, `Bearer ${state.apiKey}`)) return refused(403, 'invalid_api_key', 'API key is invalid')
  const wait = secondsToWait(state)
  if (wait > 0) return tooMany(wait)
  if (key !== undefined && (typeof key !== 'string' || key.length < 1 || key.length > MAX_KEY_CHARACTERS)) {
    return refused(400, 'invalid_idempotency_key', 'The key must be between 1-256 chars.')
  }
  return null
}

function secondsToWait(state: State): number {
  const now = state.now()
  state.recent = state.recent.filter((at) => at > now - 1000 && at <= now)
  if (state.recent.length >= REQUESTS_PER_SECOND) return 1
  state.recent.push(now)
  return 0
}

function takeFault(state: State): Fault | undefined {
  const [fault, ...others] = state.faults
  if (fault === undefined) return undefined
  state.faults = fault.times > 1 ? [{ ...fault, times: fault.times - 1 }, ...others] : others
  return fault
}

function strike(fault: Fault): Answer | 'silence' {
  switch (fault.kind) {
    case 'rate_limited':
      return tooMany(fault.retry_after)
    case 'server_error':
      return refused(500, 'application_error', 'An unexpected error occurred.')
    case 'refused':
      return refused(422, 'validation_error', 'Invalid `to` field.')
    case 'key_refused':
      return refused(403, 'invalid_api_key', 'API key is invalid')
    default:
      return 'silence'
  }
}

/**
 * `POST faults`, `DELETE faults`; `GET mails` -> {mails: [{id, key, message}]}; `GET requests` -> {requests: [{at, key, status, body}]}.
 */
function control(act: string, body: string, state: State): Answer {
  try {
    switch (act) {
      case 'POST faults':
        state.faults.push(FaultRequest.parse(JSON.parse(body)))
        return { status: 200, body: {} }
      case 'DELETE faults':
        state.faults = []
        return { status: 200, body: {} }
      case 'GET mails':
        return { status: 200, body: { mails: state.mailbox.all() } }
      case 'GET requests':
        return { status: 200, body: { requests: state.seen } }
      default:
        throw new Error(`no control route ${act}`)
    }
  } catch (error) {
    return { status: 400, body: { error: { code: 'control_refused', message: String(error) } } }
  }
}

function tooMany(seconds: number): Answer {
  const headers = { 'retry-after': String(seconds), 'ratelimit-limit': String(REQUESTS_PER_SECOND) }
  return { ...refused(429, 'rate_limit_exceeded', 'Too many requests.'), headers }
}

function notFound(): Answer {
  return refused(404, 'not_found', 'The requested endpoint does not exist.')
}

function refused(statusCode: number, name: string, message: string): Answer {
  return { status: statusCode, body: { statusCode, name, message } }
}

function isEqual(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)]
  return one.length === other.length && timingSafeEqual(one, other)
}
