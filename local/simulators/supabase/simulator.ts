import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { z } from 'zod'
import { type Fault, Faults } from '../cloudflare/faults.ts'
import { simulatorSecret } from '../cloudflare/tokens.ts'
import type { ProviderSimulator, SimulatorOptions } from '../provider-simulator.ts'
import { type Answer, forbidden, projectBody, queryAnswer, refused } from './answers.ts'
import { answerControl } from './control.ts'
import { limitHeaders, ProjectLimit } from './rate-limit.ts'
import { type Permission, TokenOffice, type TokenScope } from './tokens.ts'
import { World } from './world.ts'

export type SupabaseSimulator = ProviderSimulator & { readonly issueToken: (scope: TokenScope) => string }

export type SeenRequest = {
  readonly at: number
  readonly method: string
  readonly path: string
  readonly authorization: string
}

/** All that a running simulator remembers, in memory alone. */
export type SimulatorState = {
  readonly world: World
  readonly tokens: TokenOffice
  readonly faults: Faults
  readonly limit: ProjectLimit
  readonly requests: SeenRequest[]
  /** Where a test has paused or resumed a project. */
  readonly statuses: Map<string, string>
  /** The last answer with rows, by request, for one that comes twice. */
  readonly lastAnswers: Map<string, Answer>
  clockOffset: number
  readonly now: () => number
}

const CONTROL_PATH = '/__control'
const MAX_SEEN_REQUESTS = 10_000

export async function startSupabaseSimulator(options: SimulatorOptions): Promise<SupabaseSimulator> {
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
  options.log(`Supabase simulator on ${url}, seed ${options.seed}`)
  return {
    apiUrl: url,
    controlUrl: url + CONTROL_PATH,
    issueToken: (scope) => state.tokens.issue(scope),
    issueReadKey: () => state.tokens.issue('read'),
    stop: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

function newState(options: SimulatorOptions): SimulatorState {
  const base = options.now ?? Date.now
  const secretPath = options.stateDir === undefined ? undefined : join(options.stateDir, 'supabase-simulator.key')
  const state: SimulatorState = {
    world: new World(options.seed),
    tokens: new TokenOffice(simulatorSecret(secretPath)),
    faults: new Faults(),
    limit: new ProjectLimit(),
    requests: [],
    statuses: new Map(),
    lastAnswers: new Map(),
    clockOffset: 0,
    now: () => base() + state.clockOffset,
  }
  return state
}

type Asked = { readonly at: number; readonly method: string; readonly path: string; readonly body: string }

async function handle(request: IncomingMessage, response: ServerResponse, state: SimulatorState): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://simulator')
  const method = request.method ?? ''
  const body = await readBody(request)
  if (url.pathname.startsWith(CONTROL_PATH)) return send(response, answerControl(method, url, body, state))
  const asked = { at: state.now(), method, path: url.pathname, body }
  const authorization = request.headers.authorization ?? ''
  state.requests.push({ at: asked.at, method, path: asked.path, authorization })
  if (state.requests.length > MAX_SEEN_REQUESTS) state.requests.shift()
  const fault = state.faults.instead(`${asked.path} ${body}`)
  if (fault !== undefined) return strike(fault, response)
  const { isWithin, headers } = state.limit.hit(PROJECT_PATH.exec(asked.path)?.[1] ?? '', asked.at)
  const answer = isWithin ? answerApi(authorization, asked, state) : tooMany()
  return send(response, { ...answer, headers: { ...answer.headers, ...headers } })
}

function answerApi(authorization: string, asked: Asked, state: SimulatorState): Answer {
  const token = /^Bearer (\S+)$/.exec(authorization)?.[1] ?? ''
  const permissions = state.tokens.judge(token)
  if (permissions === undefined) return refused(401, 'Unauthorized')
  return bent(asked, answerRead(asked, permissions, state), state)
}

const PROJECT_PATH = /^\/v1\/projects\/([a-z]{20})(\/|$)/
const QUERY_PATH = /^\/v1\/projects\/([a-z]{20})\/database\/query\/read-only$/
const QueryBody = z.object({ query: z.string().min(1) })

function answerRead(
  { at, method, path, body }: Asked,
  permissions: readonly Permission[],
  state: SimulatorState,
): Answer {
  const { world } = state
  const statusOf = (ref: string, usual: string) => state.statuses.get(ref) ?? usual
  if (method === 'GET' && path === '/v1/projects') {
    if (!permissions.includes('projects_read')) return forbidden(['projects_read'])
    const projects = world.projects.map((project) => projectBody(project, statusOf(project.ref, project.status)))
    return { status: 200, body: projects.filter(({ status }) => status !== 'REMOVED') }
  }
  const ref = method === 'POST' ? QUERY_PATH.exec(path)?.[1] : undefined
  if (ref === undefined) return refused(404, `Cannot ${method} ${path}`)
  if (!permissions.includes('database_read')) return forbidden(['database_read'])
  const project = world.projects.find((own) => own.ref === ref)
  if (project === undefined) return refused(404, 'Project not found')
  const query = QueryBody.safeParse(parsed(body))
  if (!query.success) return refused(400, 'query: Required')
  const isActive = statusOf(ref, project.status).startsWith('ACTIVE_')
  return isActive
    ? queryAnswer(query.data.query, project, world, at)
    : refused(500, 'Failed to run read-only sql query')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Rows that are left out, or come from another time: `repeated_page` is an older answer to the same question. */
function bent({ path, body }: Asked, answer: Answer, state: SimulatorState): Answer {
  if (!Array.isArray(answer.body)) return answer
  const asked = `${path} ${body}`
  const earlier = state.lastAnswers.get(asked)
  state.lastAnswers.set(asked, answer)
  switch (state.faults.onAnswer(asked)?.kind) {
    case 'repeated_page':
      return earlier ?? answer
    case 'empty_result':
      return { ...answer, body: [] }
    case 'partial':
      return { ...answer, body: answer.body.slice(0, Math.floor(answer.body.length / 2)) }
    default:
      return answer
  }
}

function strike(fault: Fault, response: ServerResponse): void {
  switch (fault.kind) {
    case 'invalid_json':
      response.writeHead(200, { 'content-type': 'application/json' }).end('[{"ref": ')
      break
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '4096' })
      response.write('[{"ref": ', () => response.destroy())
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
      return refused(401, 'Unauthorized')
    case 'forbidden':
      return forbidden(['database_read'])
    case 'rate_limited':
      return { ...tooMany(), headers: limitHeaders(0, fault.retry_after) }
    default:
      return refused(fault.status, 'Internal Server Error')
  }
}

function tooMany(): Answer {
  return refused(429, 'ThrottlerException: Too Many Requests')
}

const MAX_BODY_BYTES = 64 * 1024

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    length += chunk.length
    if (length > MAX_BODY_BYTES) throw new Error('the request is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
  response.end(JSON.stringify(answer.body))
}
