import { readBounded } from '../../runtime/bounded-body.ts'
import { type ProviderAccess, ProviderFailure } from './provider.ts'

export type ProviderRequest = {
  readonly method: 'GET' | 'POST'
  /** Below the provider's base address. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly maxReplyBytes: number
  /** Waited out when a refusal names no time. */
  readonly defaultRetryAfterMs: number
}

const REQUEST_TIMEOUT_MS = 10_000
const MAX_RETRY_AFTER_MS = 60 * 60_000

/** One call within the credential's quota. Every way in which it can fail leaves as a `ProviderFailure`. */
export async function askProvider(access: ProviderAccess, request: ProviderRequest): Promise<unknown> {
  const { apiUrl, fetch, authorization, timeoutMs } = access
  const { method, path, headers, body, maxReplyBytes } = request
  await access.acquire()
  try {
    const response = await fetch(`${apiUrl}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers, authorization: authorization() },
      ...(body === undefined ? {} : { body }),
      // A redirect would carry the key to another address.
      redirect: 'manual',
      // Covers the body too: a reply that stops half way is a time-out.
      signal: AbortSignal.timeout(timeoutMs ?? REQUEST_TIMEOUT_MS),
    })
    await judgeStatus(response, access, request)
    const bytes = await readBounded(response.body, maxReplyBytes)
    if (!bytes.ok) throw new ProviderFailure('provider_reply_too_large')
    return parseJson(bytes.value)
  } catch (error) {
    throw error instanceof ProviderFailure ? error : new ProviderFailure(networkCode(error))
  }
}

async function judgeStatus(
  response: Response,
  { clock }: ProviderAccess,
  { defaultRetryAfterMs }: ProviderRequest,
): Promise<void> {
  // 201 is Supabase's answer to a query.
  if (response.status === 200 || response.status === 201) return
  await response.body?.cancel().catch(() => {})
  switch (response.status) {
    case 400:
      throw new ProviderFailure('provider_query_refused')
    case 401:
      throw new ProviderFailure('provider_unauthorized')
    case 403:
      throw new ProviderFailure('provider_forbidden')
    case 429: {
      const header = response.headers.get('retry-after') ?? response.headers.get('x-ratelimit-reset')
      throw new ProviderFailure('provider_rate_limited', retryAfter(header, await clock(), defaultRetryAfterMs))
    }
    default:
      throw new ProviderFailure(response.status >= 500 ? 'provider_server_error' : 'provider_reply_invalid')
  }
}

/** RFC 9110, 10.2.3: seconds or a date. */
export function retryAfter(header: string | null, now: number, defaultMs: number): number {
  if (header === null) return defaultMs
  const seconds = /^\d{1,6}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  if (Number.isNaN(seconds)) return defaultMs
  return Math.min(Math.max(seconds, 1000), MAX_RETRY_AFTER_MS)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes))
  } catch {
    throw new ProviderFailure('provider_reply_invalid')
  }
}

function networkCode(error: unknown): 'provider_timeout' | 'provider_unreachable' {
  const name = error instanceof Error ? error.name : ''
  return name === 'TimeoutError' || name === 'AbortError' ? 'provider_timeout' : 'provider_unreachable'
}
