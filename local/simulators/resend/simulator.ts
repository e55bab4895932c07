import type { IncomingMessage, ServerResponse } from 'node:http'
import { CONTROL_PATH, Controlled } from '../control.ts'
import { type Fault, strike } from '../faults.ts'
import { type Answer, readBody, send, serveLoopback } from '../loopback-server.ts'
import type { ProviderSimulator, SimulatorOptions } from '../provider-simulator.ts'
import { simulatorSecret } from '../secret.ts'
import { WebhookSender } from '../webhooks/sender.ts'
import { control } from './control.ts'
import { answerDomains } from './domains.ts'
import { answerEmails } from './emails.ts'
import { KeyOffice, type Permission } from './keys.ts'
import { answerMetrics, CACHED_MS } from './metrics.ts'
import { TeamLimit, tooMany } from './rate-limit.ts'
import { refused } from './rest.ts'
import { SuppressionList } from './suppressions.ts'
import { answerWebhooks, resendManner } from './webhooks.ts'
import { DAY_MS, World } from './world.ts'

/** What Resend's API gives to read. Mail of our own is sent to `../mail`, which files it. */
export type ResendSimulator = ProviderSimulator & {
  readonly webhooks: WebhookSender
  readonly issueKey: (permission: Permission) => string
}

export type SimulatorState = Controlled & {
  readonly world: World
  readonly webhooks: WebhookSender
  readonly keys: KeyOffice
  readonly limit: TeamLimit
  readonly suppressions: SuppressionList
  /** The last answer with rows, by path, for a page that comes twice, and when it was given. */
  readonly lastAnswers: Map<string, { readonly answer: Answer; readonly at: number }>
  retentionMs: number
}

const USUAL_RETENTION_MS = 1100 * DAY_MS

export async function startResendSimulator(options: SimulatorOptions): Promise<ResendSimulator> {
  const state = newState(options)
  const { url, stop } = await serveLoopback({
    ...options,
    handle: (request, response) => handle(request, response, state),
  })
  options.log(`Resend simulator on ${url}, seed ${options.seed}`)
  return {
    apiUrl: url,
    controlUrl: url + CONTROL_PATH,
    issueKey: (permission) => state.keys.issue(permission),
    issueReadKey: () => state.keys.issue('full_access'),
    webhooks: state.webhooks,
    stop: async () => {
      await state.webhooks.stop()
      await stop()
    },
  }
}

function newState(options: SimulatorOptions): SimulatorState {
  const world = new World(options.seed)
  const controlled = new Controlled(options.now)
  return Object.assign(controlled, {
    world,
    webhooks: new WebhookSender({ manner: resendManner(world), now: controlled.now, log: options.log }),
    keys: new KeyOffice(simulatorSecret(options.stateDir, 'resend')),
    limit: new TeamLimit(),
    suppressions: new SuppressionList(),
    lastAnswers: new Map(),
    retentionMs: USUAL_RETENTION_MS,
  })
}

const MANNER = { opening: '{"object": "list", ', refusal: refusalFor }

async function handle(request: IncomingMessage, response: ServerResponse, state: SimulatorState): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://simulator')
  const method = request.method ?? ''
  const body = await readBody(request)
  if (body === undefined) return send(response, refused(413, 'validation_error', 'The request is too large.'))
  if (url.pathname.startsWith(CONTROL_PATH)) return send(response, control(method, url, body, state))
  const authorization = request.headers.authorization ?? ''
  const seen = { at: state.now(), method, path: url.pathname + url.search, authorization }
  state.see(seen)
  const fault = state.faults.instead(seen.path)
  if (fault !== undefined) return strike(fault, response, MANNER)
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
  const own = state.suppressions.answer(method ?? '', url, state.world, state.now()) ?? verifyDomain(method, url, state)
  if (own !== undefined) return bent(url, own, state)
  if (method !== 'GET')
    return refused(405, 'method_not_allowed', 'This simulator does nothing else than it gives to read.')
  return bent(url, answerRead(url, state), state)
}

/** What is in DNS stays as it is: Resend looks again, and says no more than that. */
function verifyDomain(method: string | undefined, { pathname }: URL, { world }: SimulatorState): Answer | undefined {
  const id = /^\/domains\/([0-9a-f-]{36})\/verify$/.exec(pathname)?.[1]
  if (method !== 'POST' || id === undefined) return undefined
  if (!world.domains.some((domain) => domain.id === id)) return refused(404, 'not_found', 'Domain not found')
  return { status: 200, body: { object: 'domain', id } }
}

function answerRead({ pathname, searchParams }: URL, state: SimulatorState): Answer {
  const { world, retentionMs } = state
  const now = state.now()
  if (pathname === '/emails/metrics') return answerMetrics(searchParams, { world, now, retentionMs })
  return (
    answerDomains(pathname, searchParams, world, now) ??
    answerEmails(pathname, searchParams, world, now) ??
    answerWebhooks(pathname, searchParams, state.webhooks) ??
    refused(404, 'not_found', 'The requested endpoint does not exist')
  )
}

/** Rows that are left out are still in the totals, as when they are built apart. */
function bent({ pathname, search }: URL, answer: Answer, state: SimulatorState): Answer {
  const rows = rowsOf(answer)
  if (rows === undefined) return answer
  const earlier = state.lastAnswers.get(pathname)
  state.lastAnswers.set(pathname, { answer, at: state.now() })
  const kind = state.faults.onAnswer(pathname + search)?.kind
  const withRows = (data: readonly unknown[]): Answer => ({ ...answer, body: Object.assign({}, answer.body, { data }) })
  switch (kind) {
    case 'repeated_page':
      return earlier !== undefined && mayComeAgain(pathname, state.now() - earlier.at) ? earlier.answer : answer
    case 'empty_result':
      return withRows([])
    case 'partial':
      return withRows(rows.slice(0, Math.floor(rows.length / 2)))
    default:
      return answer
  }
}

/** Only what says of when it is can be told from what is now, however old it is; a list of what there is comes again as from a cache. */
function mayComeAgain(pathname: string, ageMs: number): boolean {
  return pathname === '/emails/metrics' || ageMs <= CACHED_MS
}

function rowsOf({ body }: Answer): readonly unknown[] | undefined {
  if (typeof body !== 'object' || body === null || !('data' in body)) return undefined
  return Array.isArray(body.data) ? body.data : undefined
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
