import { z } from 'zod'
import type { Mail } from '../../domain/mail/mail.ts'
import type { Secret } from '../../domain/secret.ts'
import { readBounded } from '../runtime/bounded-body.ts'

export type ResendOptions = {
  readonly apiUrl: string
  readonly apiKey: Secret
  readonly from: string
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly timeoutMs?: number
}

/** What came of one request. `throttled`: nothing that is sent before the time named would go out. */
export type SendOutcome =
  | { readonly kind: 'sent' }
  | { readonly kind: 'later'; readonly code: string }
  | { readonly kind: 'throttled'; readonly code: string; readonly waitMs: number }
  | { readonly kind: 'refused'; readonly code: string }

const REQUEST_TIMEOUT_MS = 10_000
const MAX_REPLY_BYTES = 64 * 1024
/** Resend answers 403 to whoever sends none. */
const USER_AGENT = 'flarewatch-notifier'
/** Waited where a 429 names no time: a second is Resend's own window. */
const DEFAULT_RETRY_AFTER_MS = 1_000
const MAX_RETRY_AFTER_MS = 24 * 60 * 60_000

const Refusal = z.object({ name: z.string() })

/** `POST /emails` of Resend's API, one recipient a request. Every way in which it can fail is an outcome. */
export async function sendMail(options: ResendOptions, id: string, to: string, mail: Mail): Promise<SendOutcome> {
  const { apiUrl, apiKey, from, fetch, timeoutMs } = options
  try {
    const response = await fetch(`${apiUrl}/emails`, {
      method: 'POST',
      headers: {
        authorization: apiKey.use((text) => `Bearer ${text}`),
        'content-type': 'application/json',
        'idempotency-key': id,
        'user-agent': USER_AGENT,
      },
      body: JSON.stringify({ from, to: [to], subject: mail.subject, text: mail.text }),
      redirect: 'manual',
      // Covers the body too.
      signal: AbortSignal.timeout(timeoutMs ?? REQUEST_TIMEOUT_MS),
    })
    return judge(response, await nameOf(response))
  } catch {
    // It may have arrived all the same: the next try has the same key.
    return { kind: 'later', code: 'mail_unreachable' }
  }
}

/** Resend's own word for what it refused; its message may repeat an address and is not kept. */
async function nameOf(response: Response): Promise<string> {
  const bytes = await readBounded(response.body, MAX_REPLY_BYTES)
  if (!bytes.ok) return ''
  try {
    return Refusal.safeParse(JSON.parse(new TextDecoder().decode(bytes.value))).data?.name ?? ''
  } catch {
    return ''
  }
}

function judge({ status, headers }: Response, name: string): SendOutcome {
  if (status >= 200 && status < 300) return { kind: 'sent' }
  if (status >= 500) return { kind: 'later', code: 'mail_server_error' }
  switch (status) {
    case 401:
    case 403:
      // Our key or our sender is at fault and not the mail, which waits until a person has mended that.
      return { kind: 'later', code: 'mail_key_or_sender_refused' }
    case 408:
      return { kind: 'later', code: 'mail_server_error' }
    case 409:
      // The key was used for another text: an earlier try did go out, before our words or the sender's name changed.
      return name === 'invalid_idempotent_request' ? { kind: 'sent' } : { kind: 'later', code: 'mail_in_progress' }
    case 429:
      return { kind: 'throttled', code: 'mail_rate_limited', waitMs: retryAfterMs(headers.get('retry-after')) }
    default:
      return { kind: 'refused', code: status >= 300 && status < 400 ? 'mail_redirected' : `mail_refused_${status}` }
  }
}

function retryAfterMs(header: string | null): number {
  if (header === null || !/^\d{1,6}$/.test(header)) return DEFAULT_RETRY_AFTER_MS
  return Math.min(Math.max(Number(header) * 1000, DEFAULT_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS)
}
