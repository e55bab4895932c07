import { asksForCode } from '../../domain/contracts/challenge.ts'
import { ErrorBody, type z } from './schemas.ts'

/** What went wrong with a request: a stable code of the other side, or one of ours for what never got an answer. */
export type Failure = {
  readonly code: string
  readonly requestId: string | null
  /** RFC 9470: the answer asks for a code that is entered now. */
  readonly challenged: boolean
  /** What a refused key may not or must be allowed, in the provider's own names. */
  readonly permissions: readonly string[]
}
export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly failure: Failure }

/** The console's largest answer: its 5 MB, in which JSON may escape. */
const MAX_ANSWER_BYTES = 12_000_000
const TIMEOUT_MS = 20_000

export function failed(
  code: string,
  requestId: string | null = null,
  challenged = false,
  permissions: readonly string[] = [],
): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure: { code, requestId, challenged, permissions } }
}

/** One JSON request. The answer is bounded, then parsed; what does not fit the contract is a failure, never a guess. */
export async function requestJson<Schema extends z.ZodType>(
  url: string,
  schema: Schema,
  init: RequestInit,
): Promise<Answer<z.output<Schema>>> {
  const answer = await requestText(url, init)
  if (!answer.ok) return answer
  const parsed = schema.safeParse(parseJson(answer.value))
  return parsed.success ? { ok: true, value: parsed.data } : failed('answer_invalid')
}

/** The same for what is no JSON: receipts, proofs between them, keys. */
export async function requestText(url: string, init: RequestInit = {}): Promise<Answer<string>> {
  try {
    const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(init.signal ? [init.signal] : [])]
    const response = await fetch(url, { ...init, cache: 'no-store', signal: AbortSignal.any(signals) })
    const text = await boundedText(response)
    if (!response.ok) return refusalOf(response, text)
    return text === null ? failed('answer_invalid') : { ok: true, value: text }
  } catch {
    return failed('network')
  }
}

/** A refusal without our code is that of something in between, such as a proxy that finds nobody behind it. */
function refusalOf({ status, headers }: Response, text: string | null) {
  const refusal = ErrorBody.safeParse(parseJson(text ?? ''))
  if (refusal.success) {
    const { code, request_id, permissions } = refusal.data.error
    return failed(code, request_id, asksForCode(headers), permissions)
  }
  return failed(status >= 500 ? 'server_unavailable' : 'answer_invalid')
}

async function boundedText(response: Response): Promise<string | null> {
  if (response.body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  const reader = response.body.getReader()
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.byteLength
    if (size > MAX_ANSWER_BYTES) {
      await reader.cancel()
      return null
    }
    text += decoder.decode(next.value, { stream: true })
  }
  return text + decoder.decode()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
