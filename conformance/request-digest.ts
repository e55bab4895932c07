import { createHash } from 'node:crypto'

/** A request's body as a client holds it. */
export type Body = { readonly [name: string]: unknown }

const SHOWN_CHARACTERS = 4

/**
 * The digest that a step-up token is bound to, computed from its description alone: SHA-256 over the RFC 8785 form of action and
 * body, where a `secret` is stood in for by its last four characters. A second implementation, so that the two hold each other.
 */
export function requestDigest(action: string, body: Body): string {
  const { secret } = body
  const shown = typeof secret === 'string' ? { ...body, secret: secret.slice(-SHOWN_CHARACTERS) } : body
  return createHash('sha256')
    .update(JSON.stringify(sorted({ action, request: shown })))
    .digest('base64url')
}

/** With every object's names in order; what `JSON.stringify` writes of it is then canonical. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(([name, field]) => [name, sorted(field)] as const)
  return Object.fromEntries(fields.sort(([one], [other]) => (one < other ? -1 : 1)))
}
