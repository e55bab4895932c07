import { utf8 } from '../bytes.ts'
import { failure, type Result, success } from '../result.ts'
import { boundedHeader, type ReadHeader, type WebhookClaim } from './claim.ts'

/** As Stripe makes them today, with room: the text itself is the HMAC's key, prefix included. */
const SECRET = /^whsec_[A-Za-z0-9+/=_-]{16,128}$/
const HEX_OF_32_BYTES = /^[0-9a-f]{64}$/

/**
 * `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>][,v0=<hex>]`. Of the schemes `v1` alone counts: `v0` signs test deliveries
 * with something else, and whoever takes it can be talked down to it. Nothing is trimmed: stripe-node takes no space either.
 */
export function stripeClaim(read: ReadHeader): WebhookClaim {
  const fields = boundedHeader(read, 'stripe-signature')
    .split(',')
    .map((field) => field.split('='))
  const named = (wanted: string) => fields.flatMap(([name, value]) => (name === wanted && value ? [value] : []))
  const timestamps = named('t')
  const timestamp = timestamps.length === 1 ? (timestamps[0] ?? '') : ''
  const signatures = named('v1').flatMap((hex) => (HEX_OF_32_BYTES.test(hex) ? [bytesOfHex(hex)] : []))
  return { messageId: null, timestamp, signedPrefix: `${timestamp}.`, signatures }
}

export function stripeKey(secret: string): Result<Uint8Array, 'credential_malformed'> {
  return SECRET.test(secret) ? success(utf8(secret)) : failure('credential_malformed')
}

function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, index) =>
    Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16),
  )
}
