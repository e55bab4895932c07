import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '../supervisor/ports.ts'
import { childMark } from '../supervisor/processes.ts'
import { keepAlive, type Life, type Supervision, UNSUPERVISED } from '../supervisor/revival.ts'
import { findBinaries, type PostgresBinaries } from './binaries.ts'
import { endOrphanedPostgres } from './orphan.ts'
import { SUPERUSER } from './roles.ts'
import { type ServiceUser, serviceUser } from './service-user.ts'

export type ServerOptions = {
  /** A folder of Postgres's own: it is handed to the user that Postgres runs as. The cluster lies in `data` below it. */
  readonly folder: string
  readonly logFile: string
  readonly superuserPassword: string
  readonly port?: number
  /** Told when Postgres ended by itself and is back, on the same port. */
  readonly supervision?: Supervision
}

export type PostgresServer = { readonly port: number; readonly stop: () => Promise<void> }

type Installation = { readonly binaries: PostgresBinaries; readonly user: ServiceUser }

const READY_DEADLINE_MS = 30_000
const READY_POLL_MS = 10
const FAST_SHUTDOWN_MS = 1500
const IMMEDIATE_SHUTDOWN_MS = 1500
const START_ATTEMPTS = 3
const LOG_TAIL_CHARACTERS = 2000

/** Durability stays at Postgres's defaults (fsync on): a killed stack must come back with all it acknowledged. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '80',
  shared_buffers: '64MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] %u ',
  // Statement texts stay out of the log; the SQLSTATE and message are enough to find the cause.
  log_min_error_statement: 'panic',
  idle_in_transaction_session_timeout: '60s',
  client_connection_check_interval: '2s',
} as const

export async function startServer(options: ServerOptions): Promise<PostgresServer> {
  const folder = resolve(options.folder)
  const dataDir = join(folder, 'data')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  mkdirSync(dirname(options.logFile), { recursive: true, mode: 0o700 })
  await endOrphanedPostgres(dataDir)
  const binaries = findBinaries()
  const installation = { binaries, user: serviceUser(binaries.postgres, folder) }
  if (!existsSync(dataDir)) await initialise(installation, { ...options, folder }, dataDir)
  let port = options.port
  const start = async (stopping: AbortSignal): Promise<Life> => {
    const started = await startOnFreePort(installation, { ...options, port }, dataDir, stopping)
    port = started.port
    return started
  }
  const stop = await keepAlive('postgres', start, options.supervision ?? UNSUPERVISED)
  if (port === undefined) throw new Error('Postgres started on no port')
  return { port, stop }
}

/** Made beside and renamed when whole, so that an interrupted first boot leaves no half cluster. */
async function initialise({ binaries, user }: Installation, options: ServerOptions, dataDir: string): Promise<void> {
  const staging = `${dataDir}.new`
  const passwordFile = join(options.folder, 'password')
  rmSync(staging, { recursive: true, force: true })
  mkdirSync(staging, { mode: 0o700 })
  writeFileSync(passwordFile, options.superuserPassword, { mode: 0o600 })
  user.own(staging)
  user.own(passwordFile)
  try {
    await run(user.command(binaries.initdb, initdbArguments(staging, passwordFile)), options.logFile)
  } finally {
    rmSync(passwordFile, { force: true })
  }
  renameSync(staging, dataDir)
}

function initdbArguments(dataDir: string, passwordFile: string): string[] {
  return [
    `--pgdata=${dataDir}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The built-in provider sorts alike on every machine, whatever locales it has.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--data-checksums',
  ]
}

async function startOnFreePort(
  installation: Installation,
  options: { readonly logFile: string; readonly port: number | undefined },
  dataDir: string,
  stopping: AbortSignal,
): Promise<Life & { readonly port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePorts('postgres')).postgres
    const logged = existsSync(options.logFile) ? statSync(options.logFile).size : 0
    const child = launch(installation, options.logFile, dataDir, port)
    const ended = endOf(child)
    if (await isReady(child, dataDir, stopping)) return { port, ended, stop: () => stop(child, ended, 'SIGINT') }
    await stop(child, ended, 'SIGQUIT')
    const reason = readFileSync(options.logFile).subarray(logged).toString().slice(-LOG_TAIL_CHARACTERS)
    // Another process may take the port between asking for it and binding it, and a crashed server's children may linger.
    const isPassing = /could not bind|shared memory block/.test(reason)
    if (!isPassing || attempt === START_ATTEMPTS || stopping.aborted)
      throw new Error(`Postgres did not start: ${reason.trim()}`)
    await sleep(READY_POLL_MS * 10 ** attempt)
  }
}

function launch({ binaries, user }: Installation, logFile: string, dataDir: string, port: number): ChildProcess {
  const settings = Object.entries({ ...SETTINGS, port: String(port) }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const [program, args] = user.command(binaries.postgres, ['-D', dataDir, ...settings])
  const log = openSync(logFile, 'a', 0o600)
  // Its own process group: Ctrl-C in a terminal reaches the supervisor, which stops Postgres last.
  const child = spawn(program, args, { stdio: ['ignore', log, log], detached: true, cwd: '/', env: environment() })
  closeSync(log)
  return child
}

/** Postmaster writes its state as the eighth line of `postmaster.pid` once it accepts connections. */
async function isReady(child: ChildProcess, dataDir: string, stopping: AbortSignal): Promise<boolean> {
  for (let waited = 0; waited < READY_DEADLINE_MS && !hasEnded(child) && !stopping.aborted; waited += READY_POLL_MS) {
    const [pid, , , , , , , state] = pidFile(dataDir)
    if (Number(pid) === child.pid && state?.trim() === 'ready') return true
    await sleep(READY_POLL_MS)
  }
  return false
}

function endOf(child: ChildProcess): Promise<unknown> {
  return new Promise((done) => {
    child.once('exit', done)
    child.once('error', done)
  })
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

function pidFile(dataDir: string): string[] {
  try {
    return readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n')
  } catch {
    return []
  }
}

/** SIGINT is Postgres's fast shutdown, SIGQUIT its immediate one. One that was paused takes neither before it is woken. */
async function stop(child: ChildProcess, ended: Promise<unknown>, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  if (hasEnded(child)) return
  const send = (name: NodeJS.Signals) => child.kill(name) && child.kill('SIGCONT')
  send(signal)
  const timers = [
    setTimeout(() => send('SIGQUIT'), FAST_SHUTDOWN_MS),
    setTimeout(() => send('SIGKILL'), FAST_SHUTDOWN_MS + IMMEDIATE_SHUTDOWN_MS),
  ]
  await ended
  for (const timer of timers) clearTimeout(timer)
}

async function run([program, args]: readonly [string, readonly string[]], logFile: string): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', env: environment() })
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
  const code = await new Promise<number | null>((done, failed) => {
    child.once('error', failed)
    child.once('close', done)
  })
  const text = Buffer.concat(output).toString()
  writeFileSync(logFile, text, { flag: 'a', mode: 0o600 })
  if (code !== 0) throw new Error(`initdb failed: ${text.slice(-LOG_TAIL_CHARACTERS).trim()}`)
}

/** A caller's PG* variables must not reach a server that is ours. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC', ...childMark() }
}
