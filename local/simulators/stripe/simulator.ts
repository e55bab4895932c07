import type { IncomingMessage, ServerResponse } from 'node:http'
import { CONTROL_PATH, Controlled } from '../control.ts'
import { type Fault, strike } from '../faults.ts'
import { type Answer, readBody, send, serveLoopback } from '../loopback-server.ts'
import type { ProviderSimulator, SimulatorOptions } from '../provider-simulator.ts'
import { simulatorSecret } from '../secret.ts'
import { WebhookSender } from '../webhooks/sender.ts'
import { invalidKey, refused, requestId, tooMany } from './answers.ts'
import { API_VERSION, answerApi } from './api.ts'
import { control } from './control.ts'
import { stripeManner } from './events.ts'
import { KeyOffice, type KeyRequest } from './keys.ts'
import { World } from './world.ts'

export type StripeSimulator = ProviderSimulator & {
  readonly world: World
  readonly webhooks: WebhookSender
  readonly issueKey: (request: KeyRequest) => string
}

export type SimulatorState = Controlled & {
  readonly world: World
  readonly webhooks: WebhookSender
  readonly keys: KeyOffice
}

export async function startStripeSimulator(options: SimulatorOptions): Promise<StripeSimulator> {
  const state = newState(options)
  const { url: apiUrl, stop } = await serveLoopback({
    ...options,
    handle: (request, response) => handle(request, response, state),
  })
  options.log(`Stripe simulator on ${apiUrl}, seed ${options.seed}`)
  return {
    apiUrl,
    controlUrl: apiUrl + CONTROL_PATH,
    world: state.world,
    issueKey: (request) => state.keys.issue(request),
    issueReadKey: () => state.keys.issue({ account: 0, scope: 'read', mode: 'live' }),
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
    webhooks: new WebhookSender({ manner: stripeManner(world), now: controlled.now, log: options.log }),
    keys: new KeyOffice(simulatorSecret(options.stateDir, 'stripe'), world.accounts),
  })
}

const MANNER = { opening: '{"object": "list", "data": [', refusal: (fault: Fault) => stamped(refusalFor(fault)) }

async function handle(request: IncomingMessage, response: ServerResponse, state: SimulatorState): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://simulator')
  const method = request.method ?? ''
  const body = await readBody(request)
  if (body === undefined) return send(response, stamped(refused(413, { message: 'Request entity too large' })))
  if (url.pathname.startsWith(CONTROL_PATH)) return send(response, control(method, url, body, state))
  const path = url.pathname + url.search
  const authorization = request.headers.authorization ?? ''
  state.see({ at: state.now(), method, path, authorization })
  const fault = state.faults.instead(path)
  if (fault !== undefined) return strike(fault, response, MANNER)
  return send(response, stamped(answer(request, url, state)))
}

function answer(request: IncomingMessage, url: URL, state: SimulatorState): Answer {
  const key = keyOf(request.headers.authorization ?? '')
  if (key === undefined) {
    const message = 'You did not provide an API key. You need to provide your API key in the Authorization header.'
    return refused(401, { message })
  }
  const grant = state.keys.judge(key)
  if (grant === undefined) return invalidKey(key)
  const version = request.headers['stripe-version']
  if (version !== undefined && version !== API_VERSION) {
    return refused(400, { message: `Invalid Stripe API version: ${String(version)}` })
  }
  const fault = state.faults.onAnswer(url.pathname + url.search)?.kind
  const { world, webhooks } = state
  return answerApi({ method: request.method ?? '', url, key, grant, world, webhooks, now: state.now(), fault })
}

/** Bearer, or Basic with the key as user and no password. */
function keyOf(authorization: string): string | undefined {
  const bearer = /^Bearer (\S+)$/.exec(authorization)?.[1]
  if (bearer !== undefined) return bearer
  const basic = /^Basic (\S+)$/.exec(authorization)?.[1]
  return basic === undefined ? undefined : Buffer.from(basic, 'base64').toString('utf8').split(':')[0]
}

function refusalFor(fault: Fault): Answer {
  switch (fault.kind) {
    case 'unauthorized':
      return refused(401, { code: 'api_key_expired', message: 'Expired API Key provided: rk_live_****' })
    case 'forbidden':
      return refused(403, { message: 'The provided key does not have access to this account.' })
    case 'rate_limited':
      return tooMany()
    default:
      return refused(fault.status, { type: 'api_error', message: 'Sorry! There was an error while talking to Stripe.' })
  }
}

/** As every answer of Stripe's is. */
function stamped({ headers, ...answer }: Answer): Answer {
  return { ...answer, headers: { 'request-id': requestId(), 'stripe-version': API_VERSION, ...headers } }
}
