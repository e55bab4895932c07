import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { z } from 'zod'
import type { Delivery, QueuedMessage } from '../workers/boot.ts'
import { WORKER_CONFIGS, type WorkerName } from '../workers/worker-options.ts'
import type { StackClock } from './clock.ts'

/** What tests and the demo may do to a running stack: set its clock, fire a cron, hand a queue's consumer a message. Loopback, and only with the token in run.json. */
export type Control = { readonly url: string; readonly token: string; readonly stop: () => Promise<void> }

export type ControlActs = {
  readonly clock: StackClock
  readonly fire: (worker: WorkerName, cron: string, at: Date) => Promise<'ok' | 'failed'>
  readonly deliver: (message: QueuedMessage, at: Date) => Promise<Delivery>
}

const MAX_BODY_BYTES = 4096
const ClockRequest = z.strictObject({ offset_ms: z.int() })
const Worker = z.enum(Object.keys(WORKER_CONFIGS) as [WorkerName, ...WorkerName[]])
const CronRequest = z.strictObject({ worker: Worker, cron: z.string().max(64) })
/** The message is anyone's: what the consumer makes of it is the point. */
const QueueRequest = z.strictObject({ worker: Worker, queue: z.string().max(64), message: z.unknown() })

export async function startControl(port: number, acts: ControlActs): Promise<Control> {
  const token = randomBytes(24).toString('base64url')
  const server = createServer((request, response) => {
    answer(request, token, acts).then(
      (body) => send(response, 200, body),
      (error: unknown) => send(response, 400, { error: { code: 'control_refused', message: String(error) } }),
    )
  })
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    stop: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

async function answer(request: IncomingMessage, token: string, acts: ControlActs): Promise<unknown> {
  if (!isAuthorised(request.headers.authorization, token)) throw new Error('the control token is missing or wrong')
  if (request.method === 'GET' && request.url === '/clock') return { now: acts.clock.now() }
  const body: unknown = JSON.parse(await readBody(request))
  if (request.url === '/clock') {
    acts.clock.setOffset(ClockRequest.parse(body).offset_ms)
    return { now: acts.clock.now() }
  }
  if (request.url === '/cron') {
    const { worker, cron } = CronRequest.parse(body)
    return { outcome: await acts.fire(worker, cron, new Date(acts.clock.now())) }
  }
  if (request.url === '/queue') {
    return { outcome: await acts.deliver(QueueRequest.parse(body), new Date(acts.clock.now())) }
  }
  throw new Error(`no control route ${request.method} ${request.url}`)
}

function isAuthorised(header: string | undefined, token: string): boolean {
  const expected = Buffer.from(`Bearer ${token}`)
  const given = Buffer.from(header ?? '')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) throw new Error('the body is not bytes')
    length += chunk.length
    if (length > MAX_BODY_BYTES) throw new Error('the body is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
