import { IDEMPOTENCY_HEADER } from 'domain/contracts/functions.ts'
import { z } from 'zod'
import { Refused } from './errors.ts'

export type Idempotency = { readonly key: string; readonly function: string; readonly request_digest: string }

const IdempotencyKey = z.uuid().lowercase()

/** A retry is known by its key, and is one only when it asks for the same. */
export function idempotencyOf(headers: Headers, functionName: string, digest: string): Idempotency {
  const key = IdempotencyKey.safeParse(headers.get(IDEMPOTENCY_HEADER))
  if (!key.success) throw new Refused('idempotency_key_required')
  return { key: key.data, function: functionName, request_digest: digest }
}
