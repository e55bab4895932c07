import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { toBase64Url } from '../domain/bytes.ts'
import { Provider } from '../domain/contracts/providers.ts'
import type { Kek } from '../domain/envelope/kek.ts'
import { type FunctionsOptions, startFunctions } from './functions/host.ts'
import { type StackKeys, stackKeys } from './keys/stack-keys.ts'
import type { MailSettings } from './mail/mail-settings.ts'
import { type EmbeddedPostgres, startPostgres } from './postgres/postgres.ts'
import { DATABASE } from './postgres/roles.ts'
import { type MailSink, startMailSink } from './simulators/mail/mail.ts'
import { apiUrlVariables, type RunningSimulators, startSimulators } from './simulators/registry.ts'
import { prepareClientDatabase } from './simulators/supabase/client-database.ts'
import { type Supabase, startSupabase } from './supabase/supabase.ts'
import { createStackClock, type StackClock } from './supervisor/clock.ts'
import { type Control, startControl } from './supervisor/control.ts'
import { EXIT_CONFIGURATION, EXIT_FAILED, StackRefused } from './supervisor/failure.ts'
import { freePorts } from './supervisor/ports.ts'
import {
  endOrphans,
  forgetProcesses,
  markChildren,
  recordProcesses,
  runningSupervisor,
} from './supervisor/processes.ts'
import type { Progress } from './supervisor/progress.ts'
import type { Supervision } from './supervisor/revival.ts'
import { type RunFile, removeRunFile, writeRunFile } from './supervisor/run-file.ts'
import { stopOnSignal } from './supervisor/signals.ts'
import { type RunningWorkers, startWorkers, type WorkersOptions } from './workers/boot.ts'

export type StackOptions = {
  readonly dir: string
  readonly keks: readonly Kek[]
  /** The demo accepts a demo KEK and simulates its providers; the operator's boot does neither. */
  readonly kind: 'demo' | 'operator'
  readonly seed: number
  readonly mail: MailSettings
  readonly progress: Progress
}

export type Stack = {
  readonly run: RunFile
  readonly clock: StackClock
  readonly workers: RunningWorkers
  /** None outside the demo. */
  readonly simulators: RunningSimulators | undefined
  /** Adds the demo's login to `run.json` once there is one. */
  readonly announceDemo: (demo: NonNullable<RunFile['demo']>) => void
  readonly stop: () => Promise<void>
}

const WORKER_PORTS = ['gateway', 'scheduler', 'connector', 'vault', 'verifier', 'notifier', 'durable-objects'] as const
const PORTS = ['supabaseGateway', 'functions', 'mail', 'control', ...Provider.options, ...WORKER_PORTS] as const
type Ports = Record<(typeof PORTS)[number], number>

const LOG_NAME = 'flarewatch.local/log'
const RESEND_API = 'https://api.resend.com'
const LOCAL_SENDER = 'Flarewatch <notices@flarewatch.local>'
const LOCAL_OPERATOR = 'operator@flarewatch.local'
const READY_DEADLINE_MS = 20_000

/** Boots every part in dependency order, in parallel where it can, and undoes what it started when one part fails. */
export async function bootStack(options: StackOptions): Promise<Stack> {
  await prepareDirectory(options)
  const stops: (() => Promise<void>)[] = []
  const stopAll = async (): Promise<void> => {
    removeRunFile(options.dir)
    // Backwards, so that nothing loses what it stands on; a part that is already gone does not keep the others running.
    for (const stopPart of stops.splice(0).reverse()) await stopPart().catch(() => {})
    forgetProcesses(options.dir)
  }
  let stopping: Promise<void> | undefined
  // Whoever asks second, a signal or the end of the command, waits for the same stop.
  const stop = (): Promise<void> => {
    stopping ??= stopAll()
    return stopping
  }
  stopOnSignal(stop)
  try {
    return await bootParts(options, stops, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function prepareDirectory({ dir, progress }: StackOptions): Promise<void> {
  for (const folder of ['.', 'logs', 'secrets', 'workers'])
    mkdirSync(join(dir, folder), { recursive: true, mode: 0o700 })
  const other = runningSupervisor(dir)
  if (other !== undefined) {
    throw new StackRefused(
      'already_running',
      `a stack runs on ${dir} already (pid ${other}); stop it first, or choose another folder with --data DIR`,
      EXIT_FAILED,
    )
  }
  const ended = await endOrphans(dir)
  if (ended > 0) progress.say(`  cleaned up after a stack that was killed (${ended} processes)`)
  // From now on a second start is refused, and a kill in mid-boot leaves nothing that cannot be found.
  recordProcesses(dir)
  markChildren(dir)
}

type Parts = {
  readonly options: StackOptions
  readonly ports: Ports
  readonly keys: StackKeys
  readonly clock: StackClock
  readonly postgres: EmbeddedPostgres
  readonly supabase: Supabase
  readonly simulators: RunningSimulators | undefined
  readonly mail: Mail
}

async function bootParts(
  options: StackOptions,
  stops: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Stack> {
  const { dir, progress } = options
  const started = async <Part extends { readonly stop: () => Promise<void> }>(
    name: string,
    start: () => Promise<Part>,
  ): Promise<Part> => {
    const part = await progress.part(name, start)
    stops.push(part.stop)
    return part
  }
  const clock = createStackClock()
  const [ports, keys] = await Promise.all([freePorts(...PORTS), stackKeys(dir, LOG_NAME, options.kind)])
  const [postgres, mail] = await Promise.all([
    started('postgres', () => startPostgres({ dir, supervision: supervise(options) })),
    startMail(options, (sink) => started('mail', () => startMailSink({ ...sink, port: ports.mail, now: clock.now }))),
  ])
  const simulators =
    options.kind === 'demo'
      ? await started('provider simulators', () => simulate(options, ports, clock, postgres))
      : undefined
  const supabase = await started('supabase gateway', () =>
    startSupabase({
      dir,
      postgres,
      port: ports.supabaseGateway,
      functionsUrl: loopback(ports.functions),
      now: clock.now,
    }),
  )
  const parts: Parts = { options, ports, keys, clock, postgres, simulators, mail, supabase }
  const [workers] = await Promise.all([
    started('workers', () => startWorkers(workersOptions(parts))),
    started('edge functions', () => startFunctions(functionsOptions(parts))),
  ])
  await progress.part('vault', () => untilVaultReady(workers.url('vault')))
  const control = await started('control', () =>
    startControl(ports.control, { clock, fire: workers.fire, deliver: workers.deliver }),
  )
  recordProcesses(dir)
  return runningStack(parts, workers, control, stop)
}

function runningStack(parts: Parts, workers: RunningWorkers, control: Control, stop: () => Promise<void>): Stack {
  const { dir } = parts.options
  const run: RunFile = {
    pid: process.pid,
    gateway_url: workers.url('gateway'),
    supabase_url: parts.supabase.url,
    publishable_key: parts.supabase.publishableKey,
    functions_url: `${parts.supabase.url}/functions/v1`,
    vault_url: workers.url('vault'),
    postgres_superuser_url: parts.postgres.superuserUrl,
    simulators: parts.options.kind === 'demo' ? simulatorsOf(parts) : {},
    control: { url: control.url, token: control.token },
    log_vkey: parts.keys.logVkey,
  }
  writeRunFile(dir, run)
  return {
    run,
    clock: parts.clock,
    workers,
    simulators: parts.simulators,
    announceDemo: (demo) => writeRunFile(dir, { ...run, demo }),
    stop,
  }
}

function simulatorsOf({ simulators, mail: { sink } }: Parts): RunFile['simulators'] {
  const addresses = ({ apiUrl, controlUrl }: { readonly apiUrl: string; readonly controlUrl: string }) => ({
    api_url: apiUrl,
    control_url: controlUrl,
  })
  return {
    ...Object.fromEntries(
      simulators === undefined ? [] : Provider.options.map((name) => [name, addresses(simulators.of(name))]),
    ),
    ...(sink === undefined ? {} : { mail: addresses(sink) }),
  }
}

type Mail = { readonly bindings: Record<string, string>; readonly sink: MailSink | undefined }
type Sink = Omit<Parameters<typeof startMailSink>[0], 'port' | 'now'>

/** Out by Resend where the operator says so; otherwise each mail becomes a file in DIR/mail. */
async function startMail({ dir, kind, mail }: StackOptions, start: (sink: Sink) => Promise<MailSink>): Promise<Mail> {
  if (mail.kind === 'resend') {
    const { apiKey, from, operatorEmail } = mail
    const bindings = { RESEND_API_KEY: apiKey, MAIL_FROM: from, OPERATOR_EMAIL: operatorEmail }
    return { bindings: { ...bindings, RESEND_API_URL: RESEND_API }, sink: undefined }
  }
  const apiKey = `re_${randomBytes(16).toString('hex')}`
  const log = logTo(dir, 'mail')
  const sink = await start({ folder: join(dir, 'mail'), apiKey, log, controllable: kind === 'demo' })
  const bindings = { RESEND_API_KEY: apiKey, MAIL_FROM: LOCAL_SENDER, OPERATOR_EMAIL: LOCAL_OPERATOR }
  return { bindings: { ...bindings, RESEND_API_URL: sink.apiUrl }, sink }
}

async function simulate(
  { dir, seed }: StackOptions,
  ports: Ports,
  clock: StackClock,
  { superuserUrl }: EmbeddedPostgres,
): Promise<RunningSimulators> {
  const clientDatabaseUrl = await prepareClientDatabase(superuserUrl)
  return startSimulators((provider) => ({
    clientDatabaseUrl,
    seed,
    port: ports[provider],
    now: clock.now,
    stateDir: join(dir, 'secrets'),
    log: logTo(dir, `${provider}-simulator`),
  }))
}

function workersOptions({ options, ports, keys, clock, postgres, supabase, simulators, mail }: Parts): WorkersOptions {
  const auth = { AUTH_ISSUER: supabase.issuer, AUTH_JWKS_URL: supabase.jwksUrl }
  return {
    dir: options.dir,
    ports,
    clock: clock.now,
    supervision: supervise(options),
    databaseUrls: {
      gateway: postgres.pooledUrlFor('flarewatch_gateway'),
      scheduler: postgres.pooledUrlFor('flarewatch_scheduler'),
      connector: postgres.pooledUrlFor('flarewatch_connector'),
      vault: postgres.pooledUrlFor('flarewatch_vault'),
      verifier: postgres.pooledUrlFor('flarewatch_verifier'),
      notifier: postgres.pooledUrlFor('flarewatch_notifier'),
      'durable-objects': postgres.pooledUrlFor('flarewatch_ledger'),
    },
    bindings: {
      gateway: {
        ...auth,
        SUPABASE_URL: supabase.url,
        PUBLISHABLE_KEY: supabase.publishableKey,
        LOG_VKEY: keys.logVkey,
      },
      connector: apiUrlVariables(simulators),
      vault: {
        ...auth,
        ...Object.fromEntries(options.keks.map(({ version, bytes }) => [`KEK_V${version}`, toBase64Url(bytes)])),
        EDGE_SERVICE_PUBLIC_KEY: JSON.stringify(keys.edgeServicePublic),
        LOG_VKEY: keys.logVkey,
        OPERATOR_PUBLIC_KEY: JSON.stringify(keys.operatorPublic),
        BACKUP_PUBLIC_KEY: keys.backupPublic ?? '',
        ...(options.kind === 'demo' ? { DEMO_KEK_ACCEPTED: 'true' } : {}),
      },
      'durable-objects': keys.backupPublic === null ? {} : { BACKUP_PUBLIC_KEY: keys.backupPublic },
      verifier: { RECEIPT_SIGNING_KEY: keys.receiptSigner, LOG_NAME },
      notifier: { ...mail.bindings, INVITATION_KEY: keys.invitation, GATEWAY_URL: loopback(ports.gateway) },
    },
  }
}

function functionsOptions({ options, ports, keys, clock, postgres, supabase, simulators }: Parts): FunctionsOptions {
  return {
    dir: options.dir,
    port: ports.functions,
    now: clock.now,
    log: logTo(options.dir, 'edge-functions'),
    env: {
      SUPABASE_URL: supabase.url,
      SUPABASE_SECRET_KEY: supabase.secretKey,
      AUTH_ISSUER: supabase.issuer,
      AUTH_JWKS_URL: supabase.jwksUrl,
      VAULT_URL: loopback(ports.vault),
      INVITATION_KEY: keys.invitation,
      VAULT_SERVICE_KEY: JSON.stringify(keys.edgeServicePrivate),
      // Past the pool: the console's logins are not the pool's, and a connection serves one statement.
      CONSOLE_DATABASE_URL: `postgres://127.0.0.1:${postgres.port}/${DATABASE}`,
      CONSOLE_LOGIN_KEY: keys.consoleLogin,
      PGAPPNAME: 'flarewatch-console',
      PGTARGETSESSIONATTRS: '',
      ...apiUrlVariables(simulators),
      DASHBOARD_URL: loopback(ports.gateway),
    },
  }
}

const VaultState = z.object({ ok: z.boolean(), code: z.string().optional() })

/** The vault itself judges its KEKs against the rows; what it refuses is the operator's to mend, so it ends the boot. */
async function untilVaultReady(vaultUrl: string): Promise<void> {
  const deadline = Date.now() + READY_DEADLINE_MS
  for (;;) {
    const response = await fetch(`${vaultUrl}/ready`)
    const state = VaultState.parse(await response.json())
    if (state.ok) return
    const code = state.code ?? 'vault_not_ready'
    if (code.startsWith('kek_')) throw new StackRefused(code, KEK_ADVICE[code] ?? code, EXIT_CONFIGURATION)
    if (Date.now() > deadline) throw new Error(`the vault says ${code}`)
    await new Promise((passed) => setTimeout(passed, 100))
  }
}

const KEK_ADVICE: Record<string, string> = {
  kek_mismatch:
    'the KEK is not the one that the stored rows were wrapped with; put the right key back (FLAREWATCH_KEK_V<n> or DIR/secrets/kek.v<n>). Nothing was changed',
}

/** Who watches and who boots the stack read of a part that came back; its new processes are recorded. */
function supervise({ dir, progress }: StackOptions): Supervision {
  const log = logTo(dir, 'supervisor')
  return {
    log: (line) => {
      log(`${new Date().toISOString()} ${line}`)
      progress.say(`  ${line}`)
    },
    onRestart: () => recordProcesses(dir),
  }
}

function loopback(port: number): string {
  return `http://127.0.0.1:${port}`
}

function logTo(dir: string, part: string): (line: string) => void {
  const path = join(dir, 'logs', `${part}.log`)
  return (line) => appendFileSync(path, `${line}\n`, { mode: 0o600 })
}
