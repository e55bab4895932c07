import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { type Fault, Faults } from '../cloudflare/faults.ts'
import { simulatorSecret } from '../cloudflare/tokens.ts'
import type { ProviderSimulator, SimulatorOptions } from '../provider-simulator.ts'
import { type Answer, invalidKey, refused, requestId, tooMany } from './answers.ts'
import { API_VERSION, answerApi } from './api.ts'
import { answerControl } from './control.ts'
import { KeyOffice, type KeyRequest } from './keys.ts'
import { World } from './world.ts'

export type StripeSimulator = ProviderSimulator & {
  readonly world: World
  readonly issueKey: (request: KeyRequest) => string
}

type SeenRequest = {
  readonly at: number
  readonly method: string
  readonly path: string
  readonly authorization: string
}

/** All that a running simulator remembers. In memory alone: what it received includes the keys themselves. */
export type SimulatorState = {
  readonly world: World
  readonly keys: KeyOffice
  readonly faults: Faults
  readonly requests: SeenRequest[]
  clockOffset: number
  readonly now: () => number
}

const CONTROL_PATH = '/__control'
const MAX_BODY_BYTES = 64 * 1024
const MAX_SEEN_REQUESTS = 10_000

export async function startStripeSimulator(options: SimulatorOptions): Promise<StripeSimulator> {
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
  const apiUrl = `http://127.0.0.1:${address.port}`
  options.log(`Stripe simulator on ${apiUrl}, seed ${options.seed}`)
  return {
    apiUrl,
    controlUrl: apiUrl + CONTROL_PATH,
    world: state.world,
    issueKey: (request) => state.keys.issue(request),
    issueReadKey: () => state.keys.issue({ account: 0, scope: 'read', mode: 'live' }),
    stop: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

function newState({ seed, stateDir, now }: SimulatorOptions): SimulatorState {
  const base = now ?? Date.now
  const world = new World(seed)
  const secretPath = stateDir === undefined ? undefined : join(stateDir, 'stripe-simulator.key')
  const state: SimulatorState = {
    world,
    keys: new KeyOffice(simulatorSecret(secretPath), world.accounts),
    faults: new Faults(),
    requests: [],
    clockOffset: 0,
    now: () => base() + state.clockOffset,
  }
  return state
}

async function handle(request: IncomingMessage, response: ServerResponse, state: SimulatorState): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://simulator')
  const method = request.method ?? ''
  const body = await readBody(request)
  if (body === undefined) return send(response, refused(413, { message: 'Request entity too large' }))
  if (url.pathname.startsWith(CONTROL_PATH)) return send(response, answerControl(method, url, body, state))
  const path = url.pathname + url.search
  const authorization = request.headers.authorization ?? ''
  state.requests.push({ at: state.now(), method, path, authorization })
  if (state.requests.length > MAX_SEEN_REQUESTS) state.requests.shift()
  const fault = state.faults.instead(path)
  if (fault !== undefined) return strike(fault, response)
  return send(response, answer(request, url, state))
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
  const { world } = state
  return answerApi({ method: request.method ?? '', url, key, grant, world, now: state.now(), fault })
}

/** Bearer, or Basic with the key as user and no password. */
function keyOf(authorization: string): string | undefined {
  const bearer = /^Bearer (\S+)$/.exec(authorization)?.[1]
  if (bearer !== undefined) return bearer
  const basic = /^Basic (\S+)$/.exec(authorization)?.[1]
  return basic === undefined ? undefined : Buffer.from(basic, 'base64').toString('utf8').split(':')[0]
}

function strike(fault: Fault, response: ServerResponse): void {
  switch (fault.kind) {
    case 'invalid_json':
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"object": "list", "data": [{"id"')
      break
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '4096' })
      response.write('{"object": "list", "data": [', () => response.destroy())
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
      return refused(401, { code: 'api_key_expired', message: 'Expired API Key provided: rk_live_****' })
    case 'forbidden':
      return refused(403, { message: 'The provided key does not have access to this account.' })
    case 'rate_limited':
      return tooMany()
    default:
      return refused(fault.status, { type: 'api_error', message: 'Sorry! There was an error while talking to Stripe.' })
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

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'request-id': requestId(),
    'stripe-version': API_VERSION,
    ...headers,
  })
  response.end(JSON.stringify(body))
}
