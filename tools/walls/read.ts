import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { unstable_readConfig } from 'wrangler'
import { z } from 'zod'

const bound = z.object({ binding: z.string() })

/** What a wrangler file can bind, as wrangler reads it. Kinds that no Worker of ours may have are listed to be seen when they appear. */
const Configuration = z.object({
  assets: bound.partial().optional(),
  hyperdrive: z.array(bound),
  r2_buckets: z.array(bound.extend({ bucket_name: z.string() })),
  services: z.array(bound.extend({ service: z.string(), entrypoint: z.string().optional() })).default([]),
  queues: z.object({
    producers: z.array(bound.extend({ queue: z.string() })).default([]),
    consumers: z.array(z.object({ queue: z.string() })).default([]),
  }),
  durable_objects: z.object({ bindings: z.array(z.object({ name: z.string(), class_name: z.string() })) }),
  vars: z.record(z.string(), z.unknown()),
  kv_namespaces: z.array(bound),
  d1_databases: z.array(bound),
  secrets_store_secrets: z.array(bound).default([]),
  analytics_engine_datasets: z.array(bound),
  send_email: z.array(z.object({ name: z.string() })),
  ai: z.unknown().optional(),
})

/** Every binding of a wrangler file as one line of words, sorted, so that a drift reads as a diff. */
export function readBindings(configPath: string): string[] {
  const config = Configuration.parse(unstable_readConfig({ config: configPath }, { hideWarnings: true }))
  const { producers, consumers } = config.queues
  return [
    ...(config.assets?.binding === undefined ? [] : [`assets ${config.assets.binding}`]),
    ...config.hyperdrive.map(({ binding }) => `hyperdrive ${binding}`),
    ...config.r2_buckets.map(({ binding, bucket_name }) => `r2 ${binding} ${bucket_name}`),
    ...config.services.map(
      ({ binding, service, entrypoint = 'default' }) => `service ${binding} ${service}#${entrypoint}`,
    ),
    ...producers.map(({ binding, queue }) => `queue ${binding} ${queue}`),
    ...consumers.map(({ queue }) => `consumer ${queue}`),
    ...config.durable_objects.bindings.map(({ name, class_name }) => `durable object ${name} ${class_name}`),
    ...Object.keys(config.vars).map((name) => `var ${name}`),
    ...config.kv_namespaces.map(({ binding }) => `kv ${binding}`),
    ...config.d1_databases.map(({ binding }) => `d1 ${binding}`),
    ...config.secrets_store_secrets.map(({ binding }) => `secret ${binding}`),
    ...config.analytics_engine_datasets.map(({ binding }) => `analytics ${binding}`),
    ...config.send_email.map(({ name }) => `email ${name}`),
    ...(config.ai === undefined ? [] : ['ai']),
  ].sort()
}

export function readFunctions(root: string): string[] {
  return readdirSync(join(root, 'edge-functions'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
    .map((entry) => entry.name)
    .sort()
}

/** Names that would carry the service-role key, or open the embedded stack's side doors, in a Worker's configuration. */
const FORBIDDEN_IN_WRANGLER =
  /service_role|SERVICE_ROLE|sb_secret|SECRET_KEYS?\b|SUPABASE_DB_URL|JWT_SECRET|DEMO_KEK_ACCEPTED|\bCLOCK\b/

export function forbiddenWords(configPath: string): string[] {
  const uncommented = readFileSync(configPath, 'utf8').replace(/^\s*#.*$/gm, '')
  return uncommented.match(FORBIDDEN_IN_WRANGLER) ?? []
}
