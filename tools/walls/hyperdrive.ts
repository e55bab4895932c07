import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** Of `wrangler hyperdrive get ID`: the configuration as the account has it. */
const Configuration = z.object({
  id: z.string(),
  name: z.string(),
  caching: z.object({ disabled: z.boolean().optional() }).optional(),
})

export type HyperdriveBinding = { readonly file: string; readonly id: string }

/** Each Hyperdrive binding of a wrangler file, with the comment above it, which says how its configuration is made. */
const BINDING = /((?:^#.*\n)*)^\[\[hyperdrive\]\]\n(?:^(?!\[)[^\n]*\n)*?^id = "([^"]*)"/gm

export function hyperdriveBindings(root: string, files: readonly string[]): HyperdriveBinding[] {
  return files.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(BINDING)].map(([, , id = '']) => ({ file, id })),
  )
}

/** What a file says of its own: a configuration that is made with its cache on would serve one tenant another's rows (T4). */
export function undeclared(root: string, file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const bound = text.match(/^\[\[hyperdrive\]\]/gm)?.length ?? 0
  const declared = [...text.matchAll(BINDING)].filter(([, comment = '']) => CREATION.test(comment)).length
  return bound === declared ? [] : [`${file}: a Hyperdrive is not declared as made with --caching-disabled true`]
}
const CREATION = /`wrangler hyperdrive create flarewatch-[a-z]+ --caching-disabled true`/

/** Why a configuration, as `wrangler hyperdrive get` prints it, may not be used; null when it may. */
export function cachingFault(printed: string): string | null {
  const start = printed.indexOf('{')
  const parsed = Configuration.safeParse(start < 0 ? null : parseJson(printed.slice(start)))
  if (!parsed.success) return 'wrangler printed no configuration'
  const { name, caching } = parsed.data
  return caching?.disabled === true ? null : `${name} caches queries`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
