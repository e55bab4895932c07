import { fromBase64 } from '../bytes.ts'
import { failure, type Result } from '../result.ts'
import { boundedHeader, type ReadHeader, SIGNATURE_BYTES, type WebhookClaim } from './claim.ts'

const PREFIX = 'whsec_'
/** The Standard Webhooks specification: 24 to 64 random bytes. */
const [MIN_KEY_BYTES, MAX_KEY_BYTES] = [24, 64]
/** Without a full stop, since what is signed is `id.time.body`: an id that held one could be read as a shorter id and another time. */
const MESSAGE_ID = /^[A-Za-z0-9_:-]{1,255}$/
const SCHEME = 'v1,'

/** Svix's three headers; the signatures are a list behind spaces, one for each secret that is valid. */
export function svixClaim(read: ReadHeader): WebhookClaim {
  const id = boundedHeader(read, 'svix-id')
  const timestamp = boundedHeader(read, 'svix-timestamp')
  const listed = boundedHeader(read, 'svix-signature').split(' ')
  const messageId = MESSAGE_ID.test(id) ? id : null
  const signatures = messageId === null ? [] : listed.flatMap(signatureOf)
  return { messageId, timestamp, signedPrefix: `${id}.${timestamp}.`, signatures }
}

export function svixKey(secret: string): Result<Uint8Array, 'credential_malformed'> {
  if (!secret.startsWith(PREFIX)) return failure('credential_malformed')
  const key = fromBase64(secret.slice(PREFIX.length))
  const fits = key.ok && key.value.length >= MIN_KEY_BYTES && key.value.length <= MAX_KEY_BYTES
  return fits ? key : failure('credential_malformed')
}

function signatureOf(text: string): Uint8Array[] {
  if (!text.startsWith(SCHEME)) return []
  const decoded = fromBase64(text.slice(SCHEME.length))
  return decoded.ok && decoded.value.length === SIGNATURE_BYTES ? [decoded.value] : []
}
