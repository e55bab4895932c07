import { z } from 'zod'
import { concat, equalConstantTime, utf8 } from '../bytes.ts'
import { hmac } from '../envelope/primitives.ts'
import type { Result } from '../result.ts'
import { type ClaimRefusal, judgedClaim, type ReadHeader, type WebhookClaim } from './claim.ts'
import { type EventRefusal, resendEvent, stripeEvent, type WebhookEvent } from './event.ts'
import { stripeClaim, stripeKey } from './stripe.ts'
import { svixClaim, svixKey } from './svix.ts'

export type { WebhookEvent }

/** Who delivers webhooks, and by which headers: Resend's are Svix's. */
export const WebhookProvider = z.enum(['stripe', 'resend'])
export type WebhookProvider = z.infer<typeof WebhookProvider>

type Scheme = {
  /** All that is read of a request beside its body. */
  readonly headers: readonly string[]
  readonly claim: (read: ReadHeader) => WebhookClaim
  /** The HMAC's key in a signing secret's text; also judges the text's shape before it is stored. */
  readonly key: (secret: string) => Result<Uint8Array, 'credential_malformed'>
  readonly event: (messageId: string, body: Uint8Array) => Result<WebhookEvent, EventRefusal>
}
export const WEBHOOK_SCHEMES: Readonly<Record<WebhookProvider, Scheme>> = {
  stripe: { headers: ['stripe-signature'], claim: stripeClaim, key: stripeKey, event: stripeEvent },
  resend: {
    headers: ['svix-id', 'svix-timestamp', 'svix-signature'],
    claim: svixClaim,
    key: svixKey,
    event: resendEvent,
  },
}

export const MAX_WEBHOOK_BYTES = 256 * 1024

/** What can be said of a delivery without a key. */
export function claimOf(provider: WebhookProvider, read: ReadHeader, now: number): Result<WebhookClaim, ClaimRefusal> {
  return judgedClaim(WEBHOOK_SCHEMES[provider].claim(read), now)
}

/** The HMAC's key in a stored secret; none in a text that is no secret. Whoever gets it zeroes it. */
export function keyOf(provider: WebhookProvider, secret: string): Uint8Array[] {
  const key = WEBHOOK_SCHEMES[provider].key(secret)
  return key.ok ? [key.value] : []
}

/**
 * Whether one of the keys made one of the signatures. Every pair is compared, and in constant time: how long it takes says nothing
 * of which came close.
 */
export async function isSigned(claim: WebhookClaim, keys: readonly Uint8Array[], body: Uint8Array): Promise<boolean> {
  const signed = concat(utf8(claim.signedPrefix), body)
  const macs = await Promise.all(keys.map((key) => hmac(key, signed)))
  const pairs = macs.flatMap((mac) => claim.signatures.map((signature) => equalConstantTime(mac, signature)))
  return pairs.includes(true)
}

/** What of a request's headers a verdict needs, and nothing else of them. */
export function headersFor(provider: WebhookProvider, read: ReadHeader): Record<string, string> {
  return Object.fromEntries(
    WEBHOOK_SCHEMES[provider].headers.flatMap((name) => {
      const value = read(name)
      return value === null ? [] : [[name, value] as const]
    }),
  )
}

export function eventOf(
  provider: WebhookProvider,
  { messageId, body }: { readonly messageId: string; readonly body: Uint8Array },
): Result<WebhookEvent, EventRefusal> {
  return WEBHOOK_SCHEMES[provider].event(messageId, body)
}
