import { failure, type Result } from '../result.ts'

/** What a delivery's headers claim, before anybody knows whether it is true. */
export type WebhookClaim = {
  /** The delivery's id where the provider sends one beside the body; it is signed with it. */
  readonly messageId: string | null
  /** Unix seconds, as the sender wrote them: a signature is over the very digits. */
  readonly timestamp: string
  /** What is signed before the body. */
  readonly signedPrefix: string
  readonly signatures: readonly Uint8Array[]
}
export type ReadHeader = (name: string) => string | null
export type ClaimRefusal = 'webhook_malformed' | 'webhook_stale'

/** One for each secret that is valid while a secret is rolled; more than a handful is nobody's roll. */
export const MAX_SIGNATURES = 16
export const SIGNATURE_BYTES = 32
const MAX_HEADER_CHARACTERS = 4096
/** As stripe-node and Svix's libraries have it. */
export const TOLERANCE_SECONDS = 300

const TIMESTAMP = /^[1-9]\d{0,11}$/

/** A bounded header; a longer one is as good as none. */
export function boundedHeader(read: ReadHeader, name: string): string {
  const value = read(name) ?? ''
  return value.length > MAX_HEADER_CHARACTERS ? '' : value
}

/** Shape and time alone, and so without a key: a replay from before the tolerance or a clock that runs ahead ends here. */
export function judgedClaim(claim: WebhookClaim, now: number): Result<WebhookClaim, ClaimRefusal> {
  const { timestamp, signatures } = claim
  if (!TIMESTAMP.test(timestamp)) return failure('webhook_malformed')
  if (signatures.length === 0 || signatures.length > MAX_SIGNATURES) return failure('webhook_malformed')
  const distance = Math.abs(Math.floor(now / 1000) - Number(timestamp))
  return distance > TOLERANCE_SECONDS ? failure('webhook_stale') : { ok: true, value: claim }
}
