import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { type Fault, Faults } from '../cloudflare/faults.ts'
import { simulatorSecret } from '../cloudflare/tokens.ts'
import type { ProviderSimulator, SimulatorOptions } from '../provider-simulator.ts'
import { answerControl } from './control.ts'
import { answerDomains } from './domains.ts'
import { answerEmails } from './emails.ts'
import { KeyOffice, type Permission } from './keys.ts'
import { answerMetrics } from './metrics.ts'
import { TeamLimit, tooMany } from './rate-limit.ts'
import { type Answer, refused } from './rest.ts'
import { DAY_MS, World } from './world.ts'

/** What Resend's API gives to read. Mail of our own is sent to `../mail`, which files it. */
export type ResendSimulator = ProviderSimulator & { readonly issueKey: (permission: Permission) => string }

/** Without the key: nothing needs it. */
export type SeenRequest = { readonly at: number; readonly method: string; readonly path: string }

/** All that a running simulator remembers, in memory alone. */
export type SimulatorState = {
  readonly world: World
  readonly keys: KeyOffice
  readonly faults: Faults
  readonly limit: TeamLimit
  readonly requests: SeenRequest[]
  /** The last answer with rows, by path, for a page that comes twice. */
  readonly lastAnswers: Map<string, Answer>
  retentionMs: number
  clockOffset: number
  readonly now: () => number
}

export const CONTROL_PATH = '/__control'
const MAX_SEEN_REQUESTS = 10_000
const USUAL_RETENTION_MS = 1100 * DAY_MS

export async function startResendSimulator(options: SimulatorOptions): Promise<ResendSimulator> {
  const state = newState(options)
  const server = createServer((request, response) => {
    handle(request, response, state).catch((error: unknown) => {
      options.log(`failed: ${error instanceof Error ? error.message : 'unknown'}`)
      response.destroy()
    })
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(options.port ?? 0, '127.0.0.1', listening)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the simulator has no port')
  const url = `http://127.0.0.1:${address.port}`
  options.log(`Resend simulator on ${url}, seed ${options.seed}`)
  return {
    apiUrl: url,
    controlUrl: url + CONTROL_PATH,
    issueKey: (permission) => state.keys.issue(permission),
    issueReadKey: () => state.keys.issue('full_access'),
    stop: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

function newState(options: SimulatorOptions): SimulatorState {
  const base = options.now ?? Date.now
  const secretPath = options.stateDir === undefined ? undefined : join(options.stateDir, 'resend-simulator.key')
  const state: SimulatorState = {
    world: new World(options.seed),
    keys: new KeyOffice(simulatorSecret(secretPath)),
    faults: new Faults(),
    limit: new TeamLimit(),
    requests: [],
    lastAnswers: new Map(),
    retentionMs: USUAL_RETENTION_MS,
    clockOffset: 0,
    now: () => base() + state.clockOffset,
  }
  return state
}

async function handle(request: IncomingMessage, response: ServerResponse, state: SimulatorState): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://simulator')
  const method = request.method ?? ''
  if (url.pathname.startsWith(CONTROL_PATH)) {
    return send(response, answerControl(method, url, await readBody(request), state))
  }
  const seen = { at: state.now(), method, path: url.pathname + url.search }
  state.requests.push(seen)
  if (state.requests.length > MAX_SEEN_REQUESTS) state.requests.shift()
  const fault = state.faults.instead(seen.path)
  if (fault !== undefined) return strike(fault, response)
  const { isWithin, headers } = state.limit.hit(seen.at)
  const answer = isWithin ? answerApi(request, url, state) : tooMany(1)
  return send(response, { ...answer, headers: { ...answer.headers, ...headers } })
}

function answerApi({ headers, method }: IncomingMessage, url: URL, state: SimulatorState): Answer {
  if (headers['user-agent'] === undefined) return refused(403, 'validation_error', 'A User-Agent is required.')
  const key = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1]
  if (key === undefined) return refused(401, 'missing_api_key', 'Missing API key in the authorization header.')
  const permission = state.keys.judge(key)
  if (permission === undefined) return refused(403, 'invalid_api_key', 'API key is invalid')
  if (permission === 'sending_access') {
    return refused(401, 'restricted_api_key', 'This API key is restricted to only send emails')
  }
  if (method !== 'GET') return refused(405, 'method_not_allowed', 'This simulator gives to read alone.')
  return bent(url, answerRead(url, state), state)
}

function answerRead({ pathname, searchParams }: URL, state: SimulatorState): Answer {
  const { world, retentionMs } = state
  const now = state.now()
  if (pathname === '/emails/metrics') return answerMetrics(searchParams, { world, now, retentionMs })
  return (
    answerDomains(pathname, searchParams, world, now) ??
    answerEmails(pathname, searchParams, world, now) ??
    refused(404, 'not_found', 'The requested endpoint does not exist')
  )
}

/** Rows that are left out are still in the totals, as when they are built apart. */
function bent({ pathname, search }: URL, answer: Answer, state: SimulatorState): Answer {
  const rows = rowsOf(answer)
  if (rows === undefined) return answer
  const earlier = state.lastAnswers.get(pathname)
  state.lastAnswers.set(pathname, answer)
  const kind = state.faults.onAnswer(pathname + search)?.kind
  const withRows = (data: readonly unknown[]): Answer => ({ ...answer, body: Object.assign({}, answer.body, { data }) })
  switch (kind) {
    case 'repeated_page':
      return earlier ?? answer
    case 'empty_result':
      return withRows([])
    case 'partial':
      return withRows(rows.slice(0, Math.floor(rows.length / 2)))
    default:
      return answer
  }
}

function rowsOf({ body }: Answer): readonly unknown[] | undefined {
  if (typeof body !== 'object' || body === null || !('data' in body)) return undefined
  return Array.isArray(body.data) ? body.data : undefined
}

function strike(fault: Fault, response: ServerResponse): void {
  switch (fault.kind) {
    case 'invalid_json':
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"object": "list"')
      break
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '4096' })
      response.write('{"object": "list", ', () => response.destroy())
      break
    case 'timeout':
      // Never answered: the socket stays open until the client gives up or the simulator stops.
      break
    default:
      send(response, refusalFor(fault))
  }
}

function refusalFor(fault: Fault): Answer {
  switch (fault.kind) {
    case 'unauthorized':
      return refused(401, 'missing_api_key', 'Missing API key in the authorization header.')
    case 'forbidden':
      return refused(403, 'invalid_api_key', 'API key is invalid')
    case 'rate_limited':
      return tooMany(fault.retry_after)
    default:
      return refused(fault.status, 'application_error', 'An unexpected error occurred.')
  }
}

const MAX_BODY_BYTES = 16 * 1024

/** Of a control request alone; the API is read without one. */
async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    length += chunk.length
    if (length > MAX_BODY_BYTES) throw new Error('the control request is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
  response.end(JSON.stringify(answer.body))
}
