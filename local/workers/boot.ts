import { randomUUID } from 'node:crypto'
import { appendFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stop as stopBundler } from 'esbuild'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type MiniflareOptions } from 'miniflare'
import { type Supervision, UNSUPERVISED } from '../supervisor/revival.ts'
import { type CronTrigger, startTicker } from './ticker.ts'
import { WORKER_CONFIGS, type WorkerName, type WorkerValues, workerOptions } from './worker-options.ts'

export type WorkersOptions = {
  readonly dir: string
  readonly ports: Record<WorkerName, number>
  readonly databaseUrls: Record<WorkerName, string>
  readonly bindings: Partial<Record<WorkerName, Record<string, string>>>
  readonly clock: () => number
  readonly supervision?: Supervision
}

export type RunningWorkers = {
  readonly url: (worker: WorkerName) => string
  /** Runs a Worker's scheduled handler now and waits for it. */
  readonly fire: (worker: WorkerName, cron: string, scheduledTime: Date) => Promise<'ok' | 'failed'>
  /** Hands a queue's consumer one message, past the queue, and says what it did with it. */
  readonly deliver: (message: QueuedMessage, at: Date) => Promise<Delivery>
  readonly startCrons: () => void
  readonly stop: () => Promise<void>
}

export type QueuedMessage = { readonly worker: WorkerName; readonly queue: string; readonly message: unknown }
export type Delivery = 'acked' | 'retried' | 'failed'

const NAMES = Object.keys(WORKER_CONFIGS) as WorkerName[]
const LOOK_EVERY_MS = 500

/** All Workers in one workerd: queues, Durable Objects on disk, R2, Hyperdrive, and each Worker on a socket of its own. */
export async function startWorkers(options: WorkersOptions): Promise<RunningWorkers> {
  const workers = await Promise.all(NAMES.map((name) => workerOptions(name, valuesFor(name, options))))
  // The bundler's own process has done its work.
  await stopBundler()
  const supervision = options.supervision ?? UNSUPERVISED
  const temporary = emptied(join(options.dir, 'workers', 'tmp'))
  const runtimeOptions = convertV4MiniflareOptions({
    workers,
    host: '127.0.0.1',
    port: 0,
    cf: false,
    telemetry: { enabled: false },
    unsafeTriggerHandlers: true,
    unsafeHandleRuntimeRestart: () => cameBack(supervision),
    resourcePersistencePath: join(options.dir, 'workers'),
    resourceTmpPath: temporary,
    log: new Log(LogLevel.NONE),
    handleStructuredLogs: ({ level, message }) => writeLog(options.dir, level, message),
  })
  const miniflare = inFolder(temporary, () => new Miniflare(runtimeOptions))
  await miniflare.ready
  const stopWatching = watchRestarts(miniflare, runtimeOptions, supervision)

  const fire: RunningWorkers['fire'] = (worker, cron, scheduledTime) =>
    fireScheduled(miniflare, workerName(workers, worker), cron, scheduledTime)
  let stopCrons = () => {}
  return {
    url: (worker) => `http://127.0.0.1:${options.ports[worker]}`,
    fire,
    deliver: (message, at) => deliver(miniflare, workerName(workers, message.worker), message, at),
    startCrons: () => {
      stopCrons = startTicker(cronTriggers(workers), options.clock, async ({ worker, cron }, at) => {
        // A cron that meets a workerd on its way down has failed, like one that ends in an error.
        const outcome = await fire(worker as WorkerName, cron, at).catch(() => 'failed')
        if (outcome === 'failed') writeLog(options.dir, 'error', `cron ${cron} of ${worker} failed`)
      })
    },
    stop: async () => {
      stopCrons()
      stopWatching()
      await miniflare.dispose()
    },
  }
}

/**
 * By miniflare's own trigger route and not by `getWorker()`: that proxy waits for workerd with the whole process asleep, and
 * the pool and the signal handlers live in this process.
 */
async function fireScheduled(miniflare: Miniflare, name: string, cron: string, at: Date): Promise<'ok' | 'failed'> {
  const query = new URLSearchParams({ cron, time: String(at.getTime()) })
  const response = await miniflare.dispatchFetch(`http://localhost/cdn-cgi/local/scheduled?${query}`, {
    headers: { 'MF-Route-Override': name },
  })
  return (await response.text()) === 'ok' ? 'ok' : 'failed'
}

async function deliver(
  miniflare: Miniflare,
  name: string,
  { queue, message }: QueuedMessage,
  at: Date,
): Promise<Delivery> {
  const consumer = await miniflare.getWorker(name)
  const id = randomUUID()
  const { outcome, explicitAcks } = await consumer.queue(queue, [{ id, timestamp: at, body: message, attempts: 1 }])
  if (outcome !== 'ok') return 'failed'
  return explicitAcks.includes(id) ? 'acked' : 'retried'
}

/** miniflare starts a workerd that ended by itself again, on the same ports, but only once: a start that fails is repeated here. */
function watchRestarts(miniflare: Miniflare, options: MiniflareOptions, supervision: Supervision): () => void {
  let isStopped = false
  const watch = async () => {
    for (; !isStopped; await sleep(LOOK_EVERY_MS, undefined, { ref: false })) {
      const failure = await miniflare.ready.then(() => undefined, describe)
      if (failure === undefined || isStopped) continue
      supervision.log(`workerd did not start again: ${failure}`)
      await miniflare.setOptions(options).then(
        () => cameBack(supervision),
        () => {},
      )
    }
  }
  void watch()
  return () => {
    isStopped = true
  }
}

function cameBack({ log, onRestart }: Supervision): void {
  log('workerd ended by itself and is back')
  onRestart()
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function valuesFor(name: WorkerName, options: WorkersOptions): WorkerValues {
  return {
    bindings: options.bindings[name] ?? {},
    databaseUrl: options.databaseUrls[name],
    port: options.ports[name],
    clock: options.clock,
  }
}

type Options = Awaited<ReturnType<typeof workerOptions>>

function workerName(workers: readonly Options[], worker: WorkerName): string {
  const name = workers[NAMES.indexOf(worker)]?.name
  if (name === undefined) throw new Error(`no Worker ${worker}`)
  return name
}

function cronTriggers(workers: readonly Options[]): CronTrigger[] {
  return workers.flatMap((worker, index) =>
    (worker.cronTriggers ?? []).map((cron) => ({ worker: NAMES[index] ?? '', cron })),
  )
}

function writeLog(dir: string, level: string, message: string): void {
  appendFileSync(join(dir, 'logs', 'workers.log'), `${level} ${message}\n`, { mode: 0o600 })
}

/** What a stack that was killed has left there is of no use to the next one. */
function emptied(folder: string): string {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

/** miniflare takes the system's folder for temporary files, whatever it is told: a killed stack would leave something outside its own. */
function inFolder<Made>(folder: string, make: () => Made): Made {
  const { TMPDIR } = process.env
  process.env.TMPDIR = folder
  try {
    return make()
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  }
}
