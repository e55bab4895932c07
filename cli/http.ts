import { z } from 'zod'
import { ErrorBody } from '../domain/contracts/api.ts'
import { asksForCode } from '../domain/contracts/challenge.ts'
import { CommandRefused } from './command.ts'

const TIMEOUT_MS = 15_000
const MAX_ANSWER_CHARACTERS = 4 * 1024 * 1024

/** GoTrue says what went wrong in one of several shapes, by its age. */
const AuthError = z.object({
  error_code: z.string().optional(),
  msg: z.string().optional(),
  error_description: z.string().optional(),
})

/** RFC 9470: who asks is known, and the proof of it is too weak or too old. */
export class Challenged extends CommandRefused {}

const SESSION_OVER = new Set(['session_ended', 'session_expired'])

/** An answer by its schema, bounded in time and size; anything else ends the command with the code that the server gave. */
export async function fetchJson<Schema extends z.ZodType>(
  url: string,
  init: RequestInit,
  schema: Schema,
): Promise<z.output<Schema>> {
  const parsed = schema.safeParse(parseJson(await fetchText(url, init)))
  if (parsed.success) return parsed.data
  throw new CommandRefused('answer_invalid', `${new URL(url).origin} does not answer as Flarewatch does`)
}

export async function fetchText(url: string, init: RequestInit = {}): Promise<string> {
  const response = await reach(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) })
  const body = await response.text().catch(() => null)
  if (body === null) throw new CommandRefused('unreachable', `${new URL(url).origin} broke off its answer`)
  if (!response.ok) throw refusedBy(response, body)
  if (body.length <= MAX_ANSWER_CHARACTERS) return body
  throw new CommandRefused('answer_invalid', `${new URL(url).origin} answers with too much`)
}

export async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: 'error' })
  } catch {
    throw new CommandRefused('unreachable', `${new URL(url).origin} does not answer`)
  }
}

export function refusedBy({ status, headers }: Response, body: string): CommandRefused {
  const json = parseJson(body)
  const ours = ErrorBody.safeParse(json)
  if (ours.success) {
    const { code, message } = ours.data.error
    if (asksForCode(headers)) return new Challenged(code, message)
    const text = SESSION_OVER.has(code) ? `${message.replace(/\.$/, '')}: flarewatch login` : message
    return new CommandRefused(code, text)
  }
  const auth = AuthError.safeParse(json).data ?? {}
  return new CommandRefused(auth.error_code ?? `http_${status}`, auth.msg ?? auth.error_description ?? 'refused')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
