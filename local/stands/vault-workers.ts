import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type V4WorkerOptions } from 'miniflare'
import { freePorts } from '../supervisor/ports.ts'
import { workerOptions } from '../workers/worker-options.ts'
import { type ProbeCall, probe, probeOptions } from './probe.ts'

export type VaultWorkersOptions = {
  readonly dir: string
  readonly vaultUrl: string
  readonly ledgerUrl: string
  readonly vaultBindings: Record<string, string>
  readonly hostBindings: Record<string, string>
  readonly clock: () => number
  /** Stands in for a host of Durable Objects that cannot be reached: every call throws. */
  readonly ledger?: 'unreachable'
}

export type VaultWorkers = {
  readonly url: string
  readonly call: (call: ProbeCall) => Promise<unknown>
  /** Runs the vault's scheduled handler and waits for it. */
  readonly fireCron: (at: number) => Promise<void>
  /** Everything that the Workers logged. */
  readonly logged: () => string
  readonly stop: () => Promise<void>
}

/** The vault and the Durable Objects as shipped, in one workerd, with a probe beside them. */
export async function startVaultWorkers(options: VaultWorkersOptions): Promise<VaultWorkers> {
  const ports = await freePorts('vault', 'host', 'probe')
  const vault = await workerOptions('vault', {
    bindings: options.vaultBindings,
    databaseUrl: options.vaultUrl,
    port: ports.vault,
    clock: options.clock,
  })
  const host = await workerOptions('durable-objects', {
    bindings: options.hostBindings,
    databaseUrl: options.ledgerUrl,
    port: ports.host,
    clock: options.clock,
  })
  const tmp = join(options.dir, 'workers', 'tmp')
  mkdirSync(tmp, { recursive: true })
  const lines: string[] = []
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [vault, options.ledger === 'unreachable' ? unreachable(host) : host, probeOptions(ports.probe)],
      host: '127.0.0.1',
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      unsafeTriggerHandlers: true,
      resourcePersistencePath: join(options.dir, 'workers'),
      resourceTmpPath: tmp,
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: ({ message }) => lines.push(message),
    }),
  )
  await miniflare.ready
  return {
    url: `http://127.0.0.1:${ports.vault}`,
    call: (call) => probe(ports.probe, call),
    fireCron: async (at) => {
      const response = await miniflare.dispatchFetch(`http://localhost/cdn-cgi/local/scheduled?time=${at}`, {
        headers: { 'MF-Route-Override': vault.name ?? '' },
      })
      if ((await response.text()) !== 'ok') throw new Error('the cron failed')
    },
    logged: () => lines.join('\n'),
    stop: () => miniflare.dispose(),
  }
}

const THROWING_HOST = `
import { DurableObject } from 'cloudflare:workers'
class Unreachable extends DurableObject { constructor() { throw new Error('unreachable') } }
export { Unreachable as AuditLedger, Unreachable as StepUpTokens, Unreachable as TenantRoster, Unreachable as KekVersions, Unreachable as LoginAnswers, Unreachable as OperatorKeys, Unreachable as ProviderLimits }
export default { fetch: () => new Response(null, { status: 404 }) }
`

function unreachable(host: V4WorkerOptions): V4WorkerOptions {
  return {
    ...host,
    modules: [{ type: 'ESModule', path: 'unreachable.mjs', contents: THROWING_HOST }],
  } as V4WorkerOptions
}
