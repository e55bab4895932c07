import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { unstable_readConfig } from 'wrangler'

/** Every binding of a wrangler file as one line of words, sorted, so that a drift reads as a diff. */
export function readBindings(configPath: string): string[] {
  const config = unstable_readConfig({ config: configPath }, { hideWarnings: true })
  const known = [
    ...(config.assets?.binding === undefined ? [] : [`assets ${config.assets.binding}`]),
    ...config.hyperdrive.map(({ binding }) => `hyperdrive ${binding}`),
    ...config.r2_buckets.map(({ binding, bucket_name }) => `r2 ${binding} ${bucket_name}`),
    ...(config.services ?? []).map(({ binding, service, entrypoint }) => `service ${binding} ${service}#${entrypoint}`),
    ...(config.queues.producers ?? []).map(({ binding, queue }) => `queue ${binding} ${queue}`),
    ...(config.queues.consumers ?? []).map(({ queue }) => `consumer ${queue}`),
    ...config.durable_objects.bindings.map(({ name, class_name }) => `durable object ${name} ${class_name}`),
    ...Object.keys(config.vars).map((name) => `var ${name}`),
  ]
  const foreign = [
    ...config.kv_namespaces.map(({ binding }) => `kv ${binding}`),
    ...config.d1_databases.map(({ binding }) => `d1 ${binding}`),
    ...(config.secrets_store_secrets ?? []).map(({ binding }) => `secret ${binding}`),
    ...(config.ai === undefined ? [] : ['ai']),
    ...config.analytics_engine_datasets.map(({ binding }) => `analytics ${binding}`),
    ...config.send_email.map(({ name }) => `email ${name}`),
  ]
  return [...known, ...foreign].sort()
}

export function readFunctions(root: string): string[] {
  return readdirSync(join(root, 'edge-functions'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
    .map((entry) => entry.name)
    .sort()
}

/** Names that would carry the service-role key, or open the embedded stack's side doors, in a Worker's configuration. */
const FORBIDDEN_IN_WRANGLER = /service_role|SERVICE_ROLE|sb_secret|SECRET_KEY\b|DEMO_KEK_ACCEPTED|\bCLOCK\b/

export function forbiddenWords(configPath: string): string[] {
  const uncommented = readFileSync(configPath, 'utf8').replace(/^\s*#.*$/gm, '')
  return uncommented.match(FORBIDDEN_IN_WRANGLER) ?? []
}
