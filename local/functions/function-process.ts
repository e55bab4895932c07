import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkout } from '../supervisor/checkout.ts'
import { freePorts } from '../supervisor/ports.ts'
import { childMark } from '../supervisor/processes.ts'
import type { FunctionGrant } from './manifest.ts'

export type ProcessOptions = {
  readonly grant: FunctionGrant
  readonly configPath: string
  readonly denoDir: string
  /** Gives the function the stack's clock, which the forwarded requests carry. */
  readonly hasStackClock: boolean
  readonly log: (line: string) => void
  /** Told after a crashed function is back, so that its new process is recorded. */
  readonly onRestart: () => void
}

const READY_DEADLINE_MS = 15_000
const READY_POLL_MS = 10
const START_ATTEMPTS = 3
const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 5000
/** A function that ran this long has recovered: its next crash is waited for from the start. */
const STEADY_MS = 30_000
const STOP_DEADLINE_MS = 1500

/** The binary itself: killing the shim in `.bin` would orphan it. */
const DENO = join(dirname(createRequire(import.meta.url).resolve('deno/package.json')), 'deno')

/**
 * One function in a process of its own, started again when it ends by itself. The module runs as it would on a hosted project:
 * `Deno.serve(handler)`, told by Deno's own DENO_SERVE_ADDRESS where to listen.
 */
export class FunctionProcess {
  readonly #options: ProcessOptions
  #child: ChildProcess | undefined
  #port: number | undefined
  #isStopping = false

  constructor(options: ProcessOptions) {
    this.#options = options
  }

  /** Where it listens, or undefined while it is down. */
  get address(): string | undefined {
    return this.#port === undefined ? undefined : `http://127.0.0.1:${this.#port}`
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  async start(): Promise<void> {
    for (let attempt = 1; attempt <= START_ATTEMPTS && !this.#isStopping; attempt++) {
      if (await this.#launch()) return
    }
    throw new Error(`the function ${this.#options.grant.name} did not start; its log says why`)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((done) => child.once('exit', () => done()))
    child.kill('SIGTERM')
    child.kill('SIGCONT')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS)
    await ended
    clearTimeout(timer)
  }

  async #launch(): Promise<boolean> {
    const { port } = await freePorts('port')
    const began = Date.now()
    const child = spawn(DENO, this.#arguments(port), {
      cwd: checkout(),
      env: this.#environment(port),
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group: Ctrl-C in a terminal reaches the supervisor, which stops it.
      detached: true,
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#options.log(`${this.#options.grant.name}: ${line}`))
    }
    const ending = new AbortController()
    const ended = new Promise<void>((done) => ending.signal.addEventListener('abort', () => done()))
    child.once('error', () => ending.abort())
    child.once('exit', () => ending.abort())
    if (!(await isListening(port, ending.signal))) {
      child.kill('SIGKILL')
      return false
    }
    this.#port = port
    void ended.then(() => this.#revive(Date.now() - began >= STEADY_MS ? 0 : 1))
    return true
  }

  async #revive(crashes: number): Promise<void> {
    this.#port = undefined
    if (this.#isStopping) return
    this.#options.log(`${this.#options.grant.name}: ended by itself, starting again`)
    for (let attempt = crashes; !this.#isStopping; attempt++) {
      await sleep(Math.min(FIRST_BACKOFF_MS * 2 ** attempt, LONGEST_BACKOFF_MS))
      if (!this.#isStopping && (await this.#launch())) return this.#options.onRestart()
    }
  }

  /** No write, run, ffi, sys or import: what is not listed is refused without a question, and so is every file but those listed. */
  #arguments(port: number): string[] {
    const { grant, configPath, hasStackClock } = this.#options
    const names = Object.keys(grant.env)
    return [
      'run',
      '--quiet',
      '--no-remote',
      '--no-prompt',
      '--no-check',
      '--deny-import',
      `--config=${configPath}`,
      // Without a list the flag would allow every variable.
      ...(names.length === 0 ? [] : [`--allow-env=${names.join(',')}`]),
      `--allow-net=${[`127.0.0.1:${port}`, ...grant.addresses].join(',')}`,
      ...(grant.files.length === 0 ? [] : [`--allow-read=${grant.files.join(',')}`]),
      ...(hasStackClock ? [`--preload=${checkout('local', 'functions', 'clock.preload.ts')}`] : []),
      grant.entry,
    ]
  }

  #environment(port: number): Record<string, string> {
    const { grant, denoDir } = this.#options
    return {
      ...grant.env,
      ...childMark(),
      DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}`,
      DENO_DIR: denoDir,
      DENO_NO_UPDATE_CHECK: '1',
      NO_COLOR: '1',
    }
  }
}

async function isListening(port: number, ended: AbortSignal): Promise<boolean> {
  for (let waited = 0; waited < READY_DEADLINE_MS && !ended.aborted; waited += READY_POLL_MS) {
    if (await accepts(port)) return true
    await sleep(READY_POLL_MS)
  }
  return false
}

function accepts(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(port, '127.0.0.1')
    const settle = (isOpen: boolean) => {
      socket.destroy()
      answer(isOpen)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}
