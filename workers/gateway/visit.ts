import type { IRequestStrict } from 'itty-router'
import type { z } from 'zod'
import type { Bindings } from './bindings.ts'
import { Refusal } from './refusal.ts'

/** What a handler knows about its request beside the request itself. */
export type Visit = {
  readonly bindings: Bindings
  readonly requestId: string
  readonly url: URL
  /** Unix milliseconds at which this request is judged. */
  readonly now: number
  readonly context: Pick<ExecutionContext, 'waitUntil'>
}
export type Handler = (request: IRequestStrict, visit: Visit) => Promise<Response> | Response | undefined

/** Longer than any query of ours; what is beyond is not parsed. */
const MAX_QUERY_LENGTH = 512

/** The query by its schema: bounded first, each name at most once, no unknown name. */
export function parseQuery<Schema extends z.ZodType>(url: URL, schema: Schema): z.output<Schema> {
  if (url.search.length > MAX_QUERY_LENGTH) throw new Refusal('query_invalid')
  const entries = [...url.searchParams]
  const query = Object.fromEntries(entries)
  const parsed = schema.safeParse(query)
  if (!parsed.success || Object.keys(query).length !== entries.length) throw new Refusal('query_invalid')
  return parsed.data
}

/** An id from the path. A malformed one names nothing, so it gets what an unknown one gets. */
export function parseId<Schema extends z.ZodType>(text: string | undefined, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(text)
  if (!parsed.success) throw new Refusal('not_found')
  return parsed.data
}

/** Answers with what the contract names and nothing else: zod drops every column that it does not list. */
export function answer<Schema extends z.ZodType>(schema: Schema, body: z.input<Schema>): Response {
  return Response.json(schema.parse(body), { headers: { 'cache-control': 'no-store' } })
}
