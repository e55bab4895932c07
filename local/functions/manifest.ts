import { readFileSync, realpathSync } from 'node:fs'
import { z } from 'zod'
import { checkout } from '../supervisor/checkout.ts'

const Refused = z.literal(false)
const Manifest = z.object({
  functions: z.array(
    z.object({
      name: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/),
      env: z.array(z.string().regex(/^[A-Z][A-Z0-9_]*$/)),
      net: z.array(z.string()),
      permissions: z.object({
        /** Files of the checkout, one by one. */
        read: z.union([Refused, z.array(z.string().regex(/^[\w@-][\w@./-]*\.wasm$/))]),
        write: Refused,
        run: Refused,
        ffi: Refused,
        sys: Refused,
        import: Refused,
      }),
    }),
  ),
})

/** One function with what it is given: its own variables, and the addresses that it may reach. */
export type FunctionGrant = {
  readonly name: string
  readonly entry: string
  readonly env: Readonly<Record<string, string>>
  /** `host:port` of each. */
  readonly addresses: readonly string[]
  /** Absolute paths of the files that it may read. */
  readonly files: readonly string[]
}

/** The enumerated set of `edge-functions/functions.json` (D2): a function gets what its line names and nothing else. */
export function functionGrants(
  env: Readonly<Record<string, string>>,
  folder = checkout('edge-functions'),
): FunctionGrant[] {
  const { functions } = Manifest.parse(JSON.parse(readFileSync(`${folder}/functions.json`, 'utf8')))
  return functions.map(({ name, env: names, net, permissions }) => ({
    name,
    entry: `${folder}/${name}/index.ts`,
    env: Object.fromEntries(names.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]]]))),
    addresses: [...new Set(net.map((key) => addressOf(name, key, env[key])))],
    files: (permissions.read || []).map((file) => realpathSync(checkout(file))),
  }))
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'https:': 443, 'http:': 80, 'postgres:': 5432 }

function addressOf(name: string, key: string, value: string | undefined): string {
  if (value === undefined) throw new Error(`the function ${name} may reach ${key}, which is not given`)
  const { hostname, port, protocol } = new URL(value)
  return `${hostname}:${port === '' ? DEFAULT_PORTS[protocol] : port}`
}
