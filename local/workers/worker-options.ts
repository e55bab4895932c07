import { build } from 'esbuild'
import type { V4WorkerOptions } from 'miniflare'
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from 'wrangler'
import { checkout } from '../supervisor/checkout.ts'

/** Where each Worker's configuration is. The wrangler files are the only source of names and bindings, here as in production. */
export const WORKER_CONFIGS = {
  gateway: 'wrangler.toml',
  scheduler: 'workers/scheduler/wrangler.toml',
  connector: 'workers/connector/wrangler.toml',
  vault: 'workers/vault/wrangler.toml',
  verifier: 'workers/verifier/wrangler.toml',
  notifier: 'workers/notifier/wrangler.toml',
  'durable-objects': 'durable-objects/wrangler.toml',
} as const
export type WorkerName = keyof typeof WORKER_CONFIGS

/** What differs between the embedded stack and production: addresses and keys. */
export type WorkerValues = {
  readonly bindings: Record<string, string>
  readonly databaseUrl: string
  readonly port: number
  /** None: the machine's, as where the Workers are deployed. */
  readonly clock: (() => number) | undefined
}

/** One Worker's miniflare options: bindings from its wrangler file, code bundled from its `main`. */
export async function workerOptions(name: WorkerName, values: WorkerValues): Promise<V4WorkerOptions> {
  const configPath = checkout(WORKER_CONFIGS[name])
  // wrangler asks for a local connection string by this variable, one per binding name.
  process.env.CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_DB = values.databaseUrl
  // It tells where it found one on standard output, which is kept for the answer of whoever boots Workers.
  process.env.WRANGLER_LOG = 'error'
  const config = unstable_readConfig({ config: configPath }, { hideWarnings: true })
  const { workerOptions: fromConfig, main } = unstable_getMiniflareWorkerOptions(config)
  const { modulesRules: _, ...options } = fromConfig as V4WorkerOptions
  const { clock } = values
  if (main === undefined) throw new Error(`${configPath} names no main module`)
  return {
    ...options,
    name: config.name ?? name,
    modules: [{ type: 'ESModule', path: `${name}.mjs`, contents: await bundleOnce(main) }],
    bindings: { ...options.bindings, ...values.bindings },
    serviceBindings: {
      ...options.serviceBindings,
      ...(clock === undefined ? {} : { CLOCK: async () => Response.json({ now: clock() }) as never }),
    },
    unsafeDirectSockets: [{ host: '127.0.0.1', port: values.port }],
  }
}

/** The code of a process does not change while it runs, and a stand that restarts its Workers need not bundle them again. */
const bundled = new Map<string, Promise<string>>()

function bundleOnce(main: string): Promise<string> {
  const known = bundled.get(main)
  if (known !== undefined) return known
  const made = bundle(main)
  bundled.set(main, made)
  return made
}

/** A Worker as `wrangler deploy` would upload it: one file. */
export async function bundle(main: string): Promise<string> {
  const built = await build({
    entryPoints: [main],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    target: 'es2024',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'silent',
  })
  const [output] = built.outputFiles
  if (output === undefined) throw new Error(`${main} bundled to nothing`)
  return output.text
}
