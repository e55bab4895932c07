import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { ProviderSimulator, SimulatorOptions } from '../provider-simulator.ts'
import { answerControl } from './control.ts'
import { type Fault, Faults } from './faults.ts'
import { answerGraphql, type Dataset, type DatasetLimits, DEFAULT_LIMITS, refusal } from './graphql.ts'
import { answerPurge } from './purge.ts'
import { CALLS_PER_WINDOW, GRAPHQL_QUERIES_PER_WINDOW, RateLimit } from './rate-limit.ts'
import { type Answer, answerRest, malformedAuthorization, refused, wrongToken } from './rest.ts'
import { type Grant, simulatorSecret, TokenOffice, type TokenRequest } from './tokens.ts'
import { World } from './world.ts'

export type CloudflareSimulator = ProviderSimulator & {
  /** Origin; the API is at `${url}/client/v4`. */
  readonly url: string
  readonly issueToken: (request: TokenRequest) => string
}

export type SeenRequest = {
  readonly at: number
  readonly method: string
  readonly path: string
  readonly authorization: string
  readonly body: string
}

/** All that a running simulator remembers. In memory alone: what it received includes the tokens themselves. */
export type SimulatorState = {
  readonly world: World
  readonly tokens: TokenOffice
  readonly faults: Faults
  readonly limits: Record<Dataset, DatasetLimits>
  readonly requests: SeenRequest[]
  readonly calls: RateLimit
  readonly queries: RateLimit
  clockOffset: number
  readonly now: () => number
}

const PURGE = /^\/zones\/([0-9a-f]{32})\/purge_cache$/
const API_PATH = '/client/v4'
export const CONTROL_PATH = '/__control'
const MAX_BODY_BYTES = 256 * 1024
const MAX_SEEN_REQUESTS = 10_000
const REAL_TOKEN_LENGTH = { least: 40, most: 120 }

export async function startCloudflareSimulator(options: SimulatorOptions): Promise<CloudflareSimulator> {
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
  options.log(`Cloudflare simulator on ${url}, seed ${options.seed}`)
  return {
    url,
    apiUrl: url + API_PATH,
    controlUrl: url + CONTROL_PATH,
    issueToken: (request) => state.tokens.issue(request),
    issueReadKey: () => state.tokens.issue({ scope: 'read' }),
    stop: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

function newState(options: SimulatorOptions): SimulatorState {
  const base = options.now ?? Date.now
  const world = new World(options.seed)
  const secretPath = options.stateDir === undefined ? undefined : join(options.stateDir, 'cloudflare-simulator.key')
  const state: SimulatorState = {
    world,
    tokens: new TokenOffice(simulatorSecret(secretPath), world.zones),
    faults: new Faults(),
    limits: structuredClone(DEFAULT_LIMITS),
    requests: [],
    calls: new RateLimit(CALLS_PER_WINDOW),
    queries: new RateLimit(GRAPHQL_QUERIES_PER_WINDOW),
    clockOffset: 0,
    now: () => base() + state.clockOffset,
  }
  return state
}

async function handle(request: IncomingMessage, response: ServerResponse, state: SimulatorState): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://simulator')
  const body = await readBody(request)
  if (body === undefined) return send(response, refused(413, 10013, 'Request entity too large'))
  if (url.pathname.startsWith(CONTROL_PATH)) {
    return send(response, answerControl(request.method ?? '', url, body, state))
  }
  if (!url.pathname.startsWith(API_PATH)) return send(response, refused(404, 7000, 'No route for that URI'))
  const authorization = request.headers.authorization ?? ''
  const seen = { at: state.now(), method: request.method ?? '', path: url.pathname + url.search, authorization, body }
  state.requests.push(seen)
  if (state.requests.length > MAX_SEEN_REQUESTS) state.requests.shift()
  const fault = state.faults.instead(`${seen.path} ${body}`)
  if (fault !== undefined) return strike(fault, response)
  return send(response, await answerApi(seen, url, state))
}

async function answerApi(seen: SeenRequest, url: URL, state: SimulatorState): Promise<Answer> {
  const path = url.pathname.slice(API_PATH.length)
  const token = /^Bearer (\S+)$/.exec(seen.authorization)?.[1]
  if (token === undefined || token.length < REAL_TOKEN_LENGTH.least || token.length > REAL_TOKEN_LENGTH.most) {
    return malformedAuthorization()
  }
  const grant = state.tokens.judge(token)
  if (grant === undefined) return wrongToken(path)
  const wait = state.calls.hit(grant.id, seen.at)
  if (wait > 0) return tooMany(wait)
  if (path !== '/graphql') {
    const purged = PURGE.exec(path)?.[1]
    if (purged !== undefined && seen.method === 'POST') return answerPurge(purged, parsed(seen.body), grant)
    if (seen.method !== 'GET') return refused(405, 10405, 'Method not allowed')
    return answerRest(path, url.searchParams, grant)
  }
  if (seen.method !== 'POST') return refused(405, 10405, 'Method not allowed')
  return graphql(seen, grant, state)
}

async function graphql(seen: SeenRequest, grant: Grant, state: SimulatorState): Promise<Answer> {
  const wait = state.queries.hit(grant.id, seen.at)
  if (wait > 0) {
    const body = refusal('rate limiter budget depleted, try again after 5 minutes', seen.at, 'budget')
    return { status: 429, body, headers: { 'retry-after': String(wait) } }
  }
  const { world, limits } = state
  const bend = (dataset: Dataset, zone: { id: string }) => state.faults.onAnswer(`${seen.path} ${dataset} ${zone.id}`)
  const body = await answerGraphql(parsed(seen.body), { world, grant, limits, bend, now: seen.at })
  return { status: 200, body }
}

function tooMany(wait: number): Answer {
  const message = 'Please wait and consider throttling your request speed'
  return refused(429, 971, message, { 'retry-after': String(wait) })
}

function strike(fault: Fault, response: ServerResponse): void {
  switch (fault.kind) {
    case 'invalid_json':
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"data": {"viewer"')
      break
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '4096' })
      response.write('{"data": {"viewer": ', () => response.destroy())
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
      return refused(401, 10000, 'Authentication error')
    case 'forbidden':
      return refused(403, 10000, 'Authentication error')
    case 'rate_limited':
      return tooMany(fault.retry_after)
    default:
      return refused(fault.status, 10001, 'Internal error')
  }
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) return undefined
    length += chunk.length
    if (length > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
  response.end(JSON.stringify(answer.body))
}
