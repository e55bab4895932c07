import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Answer } from '../loopback-server.ts'
import { refused, succeeded } from './rest.ts'
import { type Grant, TOKEN_SCOPES } from './tokens.ts'

const MAX_FILES = 30
const NEITHER = 'Request must contain one of "purge_everything", "files", "tags", "hosts" or "prefixes"'
const Body = z.union([
  z.strictObject({ purge_everything: z.literal(true) }),
  z.strictObject({ files: z.array(z.url()).min(1) }),
])

/** `POST /zones/{id}/purge_cache`. The result's id names the request. */
export function answerPurge(zoneId: string, body: unknown, grant: Grant): Answer {
  const zone = grant.zones.find(({ id }) => id === zoneId)
  const permissions: readonly string[] = TOKEN_SCOPES[grant.scope] ?? []
  if (zone === undefined || !permissions.includes('#cache_purge:edit'))
    return refused(403, 10000, 'Authentication error')
  if (isObject(body) && 'files' in body && !Array.isArray(body.files)) {
    return refused(400, 1014, '"files", "tags", or "hosts" must be an array')
  }
  const wanted = Body.safeParse(body)
  if (!wanted.success) return refused(400, 1012, NEITHER)
  if ('files' in wanted.data && wanted.data.files.length > MAX_FILES) return refused(400, 1015, 'Too many files')
  return succeeded({ id: createHash('md5').update(zone.id).digest('hex') })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
