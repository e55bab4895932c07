import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { CONTROL_PATH, Controlled } from '../control.ts'
import { type Fault, strike } from '../faults.ts'
import { type Answer, parsedBody, readBody, send, serveLoopback } from '../loopback-server.ts'
import type { ProviderSimulator, SimulatorOptions } from '../provider-simulator.ts'
import { simulatorSecret } from '../secret.ts'
import { forbidden, logsAnswer, projectBody, queryAnswer, refused, unknownStatement } from './answers.ts'
import { runInDatabase } from './client-database.ts'
import { control } from './control.ts'
import { limitHeaders, ProjectLimit } from './rate-limit.ts'
import { type Permission, TokenOffice, type TokenScope } from './tokens.ts'
import { World, type WorldProject } from './world.ts'

export type SupabaseSimulator = ProviderSimulator & { readonly issueToken: (scope: TokenScope) => string }

export type SimulatorState = Controlled & {
  readonly world: World
  readonly tokens: TokenOffice
  readonly limit: ProjectLimit
  /** Undefined where no statement is known but the product's own. */
  readonly clientDatabaseUrl: string | undefined
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
    clientDatabaseUrl: options.clientDatabaseUrl,
    statuses: new Map<string, string>(),
    lastAnswers: new Map<string, Answer>(),
  })
}

type Asked = {
  readonly at: number
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly body: string
}

const MANNER = { opening: '[{"ref": ', refusal: refusalFor }

async function handle(request: IncomingMessage, response: ServerResponse, state: SimulatorState): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://simulator')
  const method = request.method ?? ''
  const body = await readBody(request)
  if (body === undefined) return send(response, refused(413, 'The request is too large'))
  if (url.pathname.startsWith(CONTROL_PATH)) return send(response, control(method, url, body, state))
  const asked = { at: state.now(), method, path: url.pathname, query: url.searchParams, body }
  const authorization = request.headers.authorization ?? ''
  state.see({ at: asked.at, method, path: asked.path, authorization })
  const fault = state.faults.instead(`${asked.path} ${body}`)
  if (fault !== undefined) return strike(fault, response, MANNER)
  const { isWithin, headers } = state.limit.hit(PROJECT_PATH.exec(asked.path)?.[1] ?? '', asked.at)
  const answer = isWithin ? await answerApi(authorization, asked, state) : tooMany()
  return send(response, { ...answer, headers: { ...answer.headers, ...headers } })
}

async function answerApi(authorization: string, asked: Asked, state: SimulatorState): Promise<Answer> {
  const token = /^Bearer (\S+)$/.exec(authorization)?.[1] ?? ''
  const permissions = state.tokens.judge(token)
  if (permissions === undefined) return refused(401, 'Unauthorized')
  return bent(asked, await answerRead(asked, permissions, state), state)
}

const PROJECT_PATH = /^\/v1\/projects\/([a-z]{20})(\/|$)/
/** What is asked of one project, and the permission that it takes. */
const OF_A_PROJECT = [
  { method: 'POST', ending: '/database/query/read-only', permission: 'database_read', answer: answerQuery },
  { method: 'GET', ending: '/analytics/endpoints/logs', permission: 'analytics_logs_read', answer: answerLogs },
] as const
const QueryBody = z.object({ query: z.string().min(1) })

async function answerRead(asked: Asked, permissions: readonly Permission[], state: SimulatorState): Promise<Answer> {
  const { method, path } = asked
  const { world } = state
  if (method === 'GET' && path === '/v1/projects') {
    if (!permissions.includes('projects_read')) return forbidden(['projects_read'])
    const projects = world.projects.map((project) => projectBody(project, statusOf(project, state)))
    return { status: 200, body: projects.filter(({ status }) => status !== 'REMOVED') }
  }
  const ref = PROJECT_PATH.exec(path)?.[1] ?? ''
  const endpoint = OF_A_PROJECT.find((each) => each.method === method && path === `/v1/projects/${ref}${each.ending}`)
  if (endpoint === undefined) return refused(404, `Cannot ${method} ${path}`)
  if (!permissions.includes(endpoint.permission)) return forbidden([endpoint.permission])
  const project = world.projects.find((own) => own.ref === ref)
  return project === undefined ? refused(404, 'Project not found') : endpoint.answer(asked, project, state)
}

function statusOf({ ref, status }: WorldProject, { statuses }: SimulatorState): string {
  return statuses.get(ref) ?? status
}

async function answerQuery({ at, body }: Asked, project: WorldProject, state: SimulatorState): Promise<Answer> {
  const query = QueryBody.safeParse(parsedBody(body))
  if (!query.success) return refused(400, 'query: Required')
  if (!statusOf(project, state).startsWith('ACTIVE_')) return refused(500, 'Failed to run read-only sql query')
  const known = queryAnswer(query.data.query, project, state.world, at)
  if (known !== undefined) return known
  return state.clientDatabaseUrl === undefined
    ? unknownStatement(query.data.query)
    : runInDatabase(state.clientDatabaseUrl, query.data.query)
}

function answerLogs({ at, query }: Asked, project: WorldProject, { world }: SimulatorState): Answer {
  return logsAnswer(query, project, world, at)
}

/** Rows that are left out, or come from another time: `repeated_page` is an older answer to the same question. */
function bent({ path, body }: Asked, answer: Answer, state: SimulatorState): Answer {
  const rows = rowsOf(answer.body)
  if (rows === undefined) return answer
  const asked = `${path} ${body}`
  const earlier = state.lastAnswers.get(asked)
  state.lastAnswers.set(asked, answer)
  switch (state.faults.onAnswer(asked)?.kind) {
    case 'repeated_page':
      return earlier ?? answer
    case 'empty_result':
      return withRows(answer, [])
    case 'partial':
      return withRows(answer, rows.slice(0, Math.floor(rows.length / 2)))
    default:
      return answer
  }
}

/** An answer is its rows, or an AnalyticsResponse with them. */
const Rows = z.union([
  z.array(z.unknown()),
  z.object({ result: z.array(z.unknown()) }).transform(({ result }) => result),
])

function rowsOf(body: unknown): readonly unknown[] | undefined {
  return Rows.safeParse(body).data
}

function withRows(answer: Answer, rows: readonly unknown[]): Answer {
  return { ...answer, body: Array.isArray(answer.body) ? rows : { result: rows, error: null } }
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
