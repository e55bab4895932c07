import type { IncomingMessage, ServerResponse } from 'node:http'
import { CONTROL_PATH, Controlled, type SeenRequest } from '../control.ts'
import { type Fault, strike } from '../faults.ts'
import { type Answer, parsedBody, readBody, send, serveLoopback } from '../loopback-server.ts'
import type { ProviderSimulator, SimulatorOptions } from '../provider-simulator.ts'
import { simulatorSecret } from '../secret.ts'
import { control } from './control.ts'
import { type Dataset, type DatasetLimits, DEFAULT_LIMITS } from './datasets.ts'
import { answerGraphql, refusal } from './graphql.ts'
import { answerPurge } from './purge.ts'
import { CALLS_PER_WINDOW, GRAPHQL_QUERIES_PER_WINDOW, RateLimit } from './rate-limit.ts'
import { answerRest, malformedAuthorization, refused, wrongToken } from './rest.ts'
import { type Grant, TokenOffice, type TokenRequest } from './tokens.ts'
import { World } from './world.ts'

export type CloudflareSimulator = ProviderSimulator & {
  /** Origin; the API is at `${url}/client/v4`. */
  readonly url: string
  readonly issueToken: (request: TokenRequest) => string
}

export type SimulatorState = Controlled & {
  readonly world: World
  readonly tokens: TokenOffice
  readonly limits: Record<Dataset, DatasetLimits>
  readonly calls: RateLimit
  readonly queries: RateLimit
}

const PURGE = /^\/zones\/([0-9a-f]{32})\/purge_cache$/
const API_PATH = '/client/v4'
const REAL_TOKEN_LENGTH = { least: 40, most: 120 }

export async function startCloudflareSimulator(options: SimulatorOptions): Promise<CloudflareSimulator> {
  const state = newState(options)
  const { url, stop } = await serveLoopback({
    ...options,
    handle: (request, response) => handle(request, response, state),
  })
  options.log(`Cloudflare simulator on ${url}, seed ${options.seed}`)
  return {
    url,
    apiUrl: url + API_PATH,
    controlUrl: url + CONTROL_PATH,
    issueToken: (request) => state.tokens.issue(request),
    issueReadKey: () => state.tokens.issue({ scope: 'read' }),
    stop,
  }
}

function newState(options: SimulatorOptions): SimulatorState {
  const world = new World(options.seed)
  return Object.assign(new Controlled(options.now), {
    world,
    tokens: new TokenOffice(simulatorSecret(options.stateDir, 'cloudflare'), world),
    limits: structuredClone(DEFAULT_LIMITS),
    calls: new RateLimit(CALLS_PER_WINDOW),
    queries: new RateLimit(GRAPHQL_QUERIES_PER_WINDOW),
  })
}

const MANNER = { opening: '{"data": {"viewer": ', refusal: refusalFor }

async function handle(request: IncomingMessage, response: ServerResponse, state: SimulatorState): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://simulator')
  const body = await readBody(request)
  if (body === undefined) return send(response, refused(413, 10013, 'Request entity too large'))
  if (url.pathname.startsWith(CONTROL_PATH)) {
    return send(response, control(request.method ?? '', url, body, state))
  }
  if (!url.pathname.startsWith(API_PATH)) return send(response, refused(404, 7000, 'No route for that URI'))
  const authorization = request.headers.authorization ?? ''
  const seen = { at: state.now(), method: request.method ?? '', path: url.pathname + url.search, authorization, body }
  state.see(seen)
  const fault = state.faults.instead(`${seen.path} ${authorization} ${body}`)
  if (fault !== undefined) return strike(fault, response, MANNER)
  return send(response, await answerApi(seen, url, state))
}

async function answerApi(seen: Required<SeenRequest>, url: URL, state: SimulatorState): Promise<Answer> {
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
    if (purged !== undefined && seen.method === 'POST') return answerPurge(purged, parsedBody(seen.body), grant)
    if (seen.method !== 'GET') return refused(405, 10405, 'Method not allowed')
    return answerRest(path, url.searchParams, grant)
  }
  if (seen.method !== 'POST') return refused(405, 10405, 'Method not allowed')
  return graphql(seen, grant, state)
}

async function graphql(seen: Required<SeenRequest>, grant: Grant, state: SimulatorState): Promise<Answer> {
  const wait = state.queries.hit(grant.id, seen.at)
  if (wait > 0) {
    const body = refusal('rate limiter budget depleted, try again after 5 minutes', seen.at, 'budget')
    return { status: 429, body, headers: { 'retry-after': String(wait) } }
  }
  const { world, limits } = state
  const bend = (grouped: string, zone: { id: string }) =>
    state.faults.onAnswer(`${seen.path} ${grouped} ${zone.id} ${seen.authorization}`)
  const body = await answerGraphql(parsedBody(seen.body), { world, grant, limits, bend, now: seen.at })
  return { status: 200, body }
}

function tooMany(wait: number): Answer {
  const message = 'Please wait and consider throttling your request speed'
  return refused(429, 971, message, { 'retry-after': String(wait) })
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
