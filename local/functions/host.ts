import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { checkout } from '../supervisor/checkout.ts'
import { recordProcesses } from '../supervisor/processes.ts'
import { forward } from './forward.ts'
import { FunctionProcess } from './function-process.ts'
import { closeServer, listenOnLoopback } from './loopback.ts'
import { functionGrants } from './manifest.ts'

/** The Edge Functions on real Deno, each with exactly its own variables and addresses. */
export type FunctionsOptions = {
  /** The stack's data directory. */
  readonly dir: string
  /** Every variable that any function may be given; each gets those that its line in `functions.json` names. */
  readonly env: Readonly<Record<string, string>>
  readonly log: (line: string) => void
  readonly port?: number
  /** Unix milliseconds: the clock of an embedded stack, when tests may set it. */
  readonly now?: () => number
  /** Another folder of functions, with its own `functions.json` and `deno.json`. */
  readonly folder?: string
}

export type FunctionsHost = {
  /** `{url}/{name}` is a function, `{url}/_health` says which of them listen. */
  readonly url: string
  /** The process of each function, while it runs. */
  readonly pids: () => Record<string, number | undefined>
  readonly stop: () => Promise<void>
}

const CLOCK_HEADER = 'flarewatch-embedded-clock'

export async function startFunctions(options: FunctionsOptions): Promise<FunctionsHost> {
  const folder = options.folder ?? checkout('edge-functions')
  const processes = new Map(
    functionGrants(options.env, folder).map((grant) => [
      grant.name,
      new FunctionProcess({
        grant,
        configPath: join(folder, 'deno.json'),
        denoDir: join(options.dir, 'home', 'deno'),
        hasStackClock: options.now !== undefined,
        log: options.log,
        onRestart: () => recordProcesses(options.dir),
      }),
    ]),
  )
  const server = createServer((request, response) => route(processes, options.now, request, response))
  const stop = async () => {
    await Promise.all([closeServer(server), ...[...processes.values()].map((part) => part.stop())])
  }
  try {
    const [url] = await Promise.all([
      listenOnLoopback(server, options.port ?? 0),
      ...[...processes.values()].map((part) => part.start()),
    ])
    const pids = () => Object.fromEntries([...processes].map(([name, part]) => [name, part.pid]))
    return { url, pids, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function route(
  processes: ReadonlyMap<string, FunctionProcess>,
  now: (() => number) | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const url = new URL(request.url ?? '/', 'http://functions')
  const name = url.pathname.split('/')[1] ?? ''
  const found = processes.get(name)
  if (name === '_health') {
    const states = Object.fromEntries([...processes].map(([key, part]) => [key, part.address !== undefined]))
    respond(response, Object.values(states).every(Boolean) ? 200 : 503, { functions: states })
  } else if (found === undefined) {
    refuse(response, 404, 'function_unknown', 'There is no such function.')
  } else if (found.address === undefined) {
    unavailable(response)
  } else {
    // Only the host says what time it is.
    delete request.headers[CLOCK_HEADER]
    if (now !== undefined) request.headers[CLOCK_HEADER] = String(now())
    forward(request, response, new URL(found.address + url.pathname + url.search), unavailable)
  }
}

function unavailable(response: ServerResponse): void {
  refuse(response, 503, 'function_unavailable', 'The function is not running. Try again in a moment.')
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  respond(response, status, { error: { code, message, request_id: crypto.randomUUID() } })
}

function respond(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'access-control-allow-origin': '*' })
    .end(JSON.stringify(body))
}
