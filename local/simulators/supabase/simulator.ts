import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { CONTROL_PATH, Controlled } from '../control.ts'
import { type Fault, strike } from '../faults.ts'
import { type Answer, parsedBody, readBody, send, serveLoopback } from '../loopback-server.ts'
import type { ProviderSimulator, SimulatorOptions } from '../provider-simulator.ts'
import { simulatorSecret } from '../secret.ts'
import { forbidden, projectBody, queryAnswer, refused } from './answers.ts'
import { control } from './control.ts'
import { limitHeaders, ProjectLimit } from './rate-limit.ts'
import { type Permission, TokenOffice, type TokenScope } from './tokens.ts'
import { World } from './world.ts'

export type SupabaseSimulator = ProviderSimulator & { readonly issueToken: (scope: TokenScope) => string }

export type SimulatorState = Controlled & {
  readonly world: World
  readonly tokens: TokenOffice
  readonly limit: ProjectLimit
  /** Where a test has paused or resumed a project. */
  readonly statuses: Map<string, string>
  /** The last answer with rows, by request, for one that comes twice. */
  readonly lastAnswers: Map<string, Answer>
}

export async function startSupabaseSimulator(options: SimulatorOptions): Promise<SupabaseSimulator> {
  const state = newState(options)
  const { url, stop } = await serveLoopback({
    ...options,
    handle: (request, response) => handle(request, response, state),
  })
  options.log(`Supabase simulator on ${url}, seed ${options.seed}`)
  return {
    apiUrl: url,
    controlUrl: url + CONTROL_PATH,
    issueToken: (scope) => state.tokens.issue(scope),
    issueReadKey: () => state.tokens.issue('read'),
    stop,
  }
}

function newState(options: SimulatorOptions): SimulatorState {
  return Object.assign(new Controlled(options.now), {
    world: new World(options.seed),
    tokens: new TokenOffice(simulatorSecret(options.stateDir, 'supabase')),
    limit: new ProjectLimit(),
    statuses: new Map<string, string>(),
    lastAnswers: new Map<string, Answer>(),
  })
}

type Asked = { readonly at: number; readonly method: string; readonly path: string; readonly body: string }

const MANNER = { opening: '[{"ref": ', refusal: refusalFor }

async function handle(request: IncomingMessage, response: ServerResponse, state: SimulatorState): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://simulator')
  const method = request.method ?? ''
  const body = await readBody(request)
  if (body === undefined) return send(response, refused(413, 'The request is too large'))
  if (url.pathname.startsWith(CONTROL_PATH)) return send(response, control(method, url, body, state))
  const asked = { at: state.now(), method, path: url.pathname, body }
  const authorization = request.headers.authorization ?? ''
  state.see({ at: asked.at, method, path: asked.path, authorization })
  const fault = state.faults.instead(`${asked.path} ${body}`)
  if (fault !== undefined) return strike(fault, response, MANNER)
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
  const query = QueryBody.safeParse(parsedBody(body))
  if (!query.success) return refused(400, 'query: Required')
  const isActive = statusOf(ref, project.status).startsWith('ACTIVE_')
  return isActive
    ? queryAnswer(query.data.query, project, world, at)
    : refused(500, 'Failed to run read-only sql query')
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
