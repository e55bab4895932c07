import type { z } from 'zod'
import { failure, type Result } from '../../domain/result.ts'

/** An operation of an HTTP door behind the schema of its request. */
export function parsedRequest<Schema extends z.ZodType, DoorVisit, Code extends string>(
  schema: Schema,
  operation: (visit: DoorVisit, request: z.output<Schema>) => Promise<Result<object, Code>>,
): (visit: DoorVisit, body: unknown) => Promise<Result<object, Code | 'request_invalid'>> {
  return async (visit, body) => {
    const request = schema.safeParse(body)
    return request.success ? operation(visit, request.data) : failure('request_invalid')
  }
}

/** Undefined, which no schema takes, for what is not JSON. */
export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(body))
  } catch {
    return undefined
  }
}
