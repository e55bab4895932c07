import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { type CronTrigger, startTicker } from './ticker.ts'
import { WORKER_CONFIGS, type WorkerName, type WorkerValues, workerOptions } from './worker-options.ts'

export type WorkersOptions = {
  readonly dir: string
  readonly ports: Record<WorkerName, number>
  readonly databaseUrls: Record<WorkerName, string>
  readonly bindings: Partial<Record<WorkerName, Record<string, string>>>
  readonly clock: () => number
}

export type RunningWorkers = {
  readonly url: (worker: WorkerName) => string
  /** Runs a Worker's scheduled handler now and waits for it. */
  readonly fire: (worker: WorkerName, cron: string, scheduledTime: Date) => Promise<'ok' | 'failed'>
  readonly startCrons: () => void
  readonly stop: () => Promise<void>
}

const NAMES = Object.keys(WORKER_CONFIGS) as WorkerName[]

/** All Workers in one workerd: queues, Durable Objects on disk, R2, Hyperdrive, and each Worker on a socket of its own. */
export async function startWorkers(options: WorkersOptions): Promise<RunningWorkers> {
  const workers = await Promise.all(NAMES.map((name) => workerOptions(name, valuesFor(name, options))))
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers,
      host: '127.0.0.1',
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      unsafeTriggerHandlers: true,
      resourcePersistencePath: join(options.dir, 'workers'),
      resourceTmpPath: join(options.dir, 'workers', 'tmp'),
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: ({ level, message }) => writeLog(options.dir, level, message),
    }),
  )
  await miniflare.ready

  const fire: RunningWorkers['fire'] = async (worker, cron, scheduledTime) => {
    const fetcher = await miniflare.getWorker(workerName(workers, worker))
    const { outcome } = await fetcher.scheduled({ cron, scheduledTime })
    return outcome === 'ok' ? 'ok' : 'failed'
  }
  let stopCrons = () => {}
  return {
    url: (worker) => `http://127.0.0.1:${options.ports[worker]}`,
    fire,
    startCrons: () => {
      stopCrons = startTicker(cronTriggers(workers), options.clock, async ({ worker, cron }, at) => {
        const outcome = await fire(worker as WorkerName, cron, at)
        if (outcome === 'failed') writeLog(options.dir, 'error', `cron ${cron} of ${worker} failed`)
      })
    },
    stop: async () => {
      stopCrons()
      await miniflare.dispose()
    },
  }
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
