import { randomBytes } from 'node:crypto'
import type { Answer } from '../loopback-server.ts'

type ApiError = { readonly message: string; readonly code?: string; readonly param?: string; readonly type?: string }

/** Stripe's error body. */
export function refused(status: number, { type = 'invalid_request_error', ...error }: ApiError, headers = {}): Answer {
  return { status, body: { error: { ...error, type } }, headers }
}

export function invalidKey(key: string): Answer {
  const shown = `${key.slice(0, 8)}${'*'.repeat(Math.max(0, key.length - 12))}${key.slice(-4)}`
  const message = `Invalid API Key provided: ${shown}`
  return refused(401, { message }, { 'www-authenticate': 'Bearer realm="Stripe"' })
}

export function lacksPermission(key: string, account: string, permission: string): Answer {
  const shown = `${key.slice(0, 8)}${'*'.repeat(20)}${key.slice(-6)}`
  return refused(403, {
    message: `The provided key '${shown}' does not have the required permissions for this endpoint on account '${account}'. Having the 'rak_${permission}' permission would allow this request to continue.`,
  })
}

export function missing(object: string, id: string): Answer {
  return refused(404, { code: 'resource_missing', message: `No such ${object}: '${id}'`, param: 'id' })
}

/** No `Retry-After`: Stripe names a reason and leaves the wait to the caller. */
export function tooMany(): Answer {
  const message =
    'Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.'
  return refused(429, { code: 'rate_limit', message }, { 'stripe-rate-limited-reason': 'global-rate' })
}

export function requestId(): string {
  return `req_${randomBytes(7).toString('hex')}`
}
