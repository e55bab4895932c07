import { z } from 'zod'

/** A Worker without what it needs answers nothing at all, and says which binding it lacks. */
export class BindingsRefused extends Error {
  readonly worker: string
  readonly missing: readonly string[]

  constructor(worker: string, missing: readonly string[]) {
    super(`${worker} refuses to start: missing or malformed bindings: ${missing.join(', ')}`)
    this.name = 'BindingsRefused'
    this.worker = worker
    this.missing = missing
  }
}

/** Parses a Worker's `env` once at its edge. The refusal carries names only, since a value may be a key. */
export function parseBindings<Schema extends z.ZodType>(
  worker: string,
  schema: Schema,
  env: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(env)
  if (parsed.success) return parsed.data
  const names = parsed.error.issues.map(({ path }) => (path.length === 0 ? 'env' : String(path[0])))
  throw new BindingsRefused(worker, [...new Set(names)].sort())
}

// RPC stubs answer every property with a method, so a binding's kind cannot be told by looking inside: presence is what
// can be checked. The walls' check compares kinds and targets with the wrangler files.
const isObject = (value: unknown) => (typeof value === 'object' && value !== null) || typeof value === 'function'

export const hyperdrive = z.custom<Hyperdrive>(isObject)
export const fetcher = z.custom<Fetcher>(isObject)
export const bucket = z.custom<R2Bucket>(isObject)
export const queue = <Message>() => z.custom<Queue<Message>>(isObject)
/** A service binding, typed by the interface that its entrypoint publishes in `domain/contracts`. */
export const service = <Api>() => z.custom<Api>(isObject)
/** A Durable Object namespace as callers need it: a name gives an object's id, the id gives its RPC interface. */
export type DurableObjects<Api> = {
  idFromName(name: string): DurableObjectId
  get(id: DurableObjectId): Api
}
/** Typed by an interface of `domain/contracts/durable-objects.ts`, as the class itself is out of a Worker's reach. */
export const durableObjects = <Api>() => z.custom<DurableObjects<Api>>(isObject)

export const httpUrl = z.url({ protocol: /^https?$/ })
/** What every Worker may have in the embedded stack and none has in production. */
export const embeddedOnly = { CLOCK: fetcher.optional() }
