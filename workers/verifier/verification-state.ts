import { z } from 'zod'
import { EncodedWalkStart, encodeWalkStart } from '../../domain/audit/walk-start.ts'
import { equalConstantTime, fromBase64, lengthPrefixed, toBase64, utf8 } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { verificationKey } from '../../domain/contracts/receipt-store.ts'
import { hkdf, hmac } from '../../domain/envelope/primitives.ts'
import type { ReceiptSigner } from './receipt.ts'

const Count = z.int().nonnegative()

/** How far the verifier has come with one log. Times are Unix milliseconds. */
const VerificationState = z.strictObject({
  /** The last walk that came to an end, whatever it found. */
  last: z
    .strictObject({
      dueAt: Count,
      startedAt: Count,
      finishedAt: Count,
      size: Count,
      /** The largest size that the pointer to the newest receipt has named: it never goes back. */
      signedSize: Count,
      sound: z.boolean(),
    })
    .nullable(),
  /** The walk that is under way. */
  walking: z
    .strictObject({
      dueAt: Count,
      startedAt: Count,
      /** The newest receipt when it began: sizes up to there must be on both sides. */
      signedSize: Count,
      /** The comparison of both sides' receipts, in the order of their names. */
      compared: z.strictObject({ after: z.string().max(20), count: Count, done: z.boolean() }),
      position: EncodedWalkStart,
      /** Receipts that the walk has passed. */
      passed: Count,
    })
    .nullable(),
})
export type VerificationState = z.output<typeof VerificationState>
export type Walking = NonNullable<VerificationState['walking']>

/** As it is stored: what cannot be read, or was written by somebody else, is `forged`. */
export type StoredState = { readonly etag: string | null; readonly state: VerificationState | 'forged' }

export const NOTHING_VERIFIED: VerificationState = { last: null, walking: null }
/** Somebody else has gone on with this log since the state was read: that one's work counts. */
export class Superseded extends Error {}

const Envelope = z.strictObject({ state: z.string().max(65_536), mac: z.string().max(64) })
const MAX_CHARACTERS = 131_072
const MAC_LABEL = utf8('flarewatch/verification-state/v1')

/**
 * The state is kept in the Cloudflare domain, out of reach for whoever owns Postgres, and under a MAC whose key comes from the
 * receipt key, since other Workers share the bucket. So nobody can say that rows were walked that were not.
 */
export async function loadState(bucket: R2Bucket, log: TenantId, signer: ReceiptSigner): Promise<StoredState> {
  const stored = await bucket.get(verificationKey(log))
  if (stored === null) return { etag: null, state: NOTHING_VERIFIED }
  const text = stored.size > MAX_CHARACTERS ? '' : await stored.text()
  return { etag: stored.etag, state: (await openState(text, log, signer)) ?? 'forged' }
}

/** Only where nobody else has written since: a step that runs twice is counted once. */
export async function saveState(
  bucket: R2Bucket,
  log: TenantId,
  signer: ReceiptSigner,
  state: VerificationState,
  replaces: string | null,
): Promise<string> {
  const text = JSON.stringify(encoded(state))
  const mac = toBase64(await macOf(text, log, signer))
  const onlyIf = replaces === null ? { etagDoesNotMatch: '*' } : { etagMatches: replaces }
  const written = await bucket.put(verificationKey(log), JSON.stringify({ state: text, mac }), { onlyIf })
  if (written === null) throw new Superseded(`another step has gone on with ${log}`)
  return written.etag
}

function encoded({ last, walking }: VerificationState): z.input<typeof VerificationState> {
  return { last, walking: walking && { ...walking, position: encodeWalkStart(walking.position) } }
}

async function openState(text: string, log: TenantId, signer: ReceiptSigner): Promise<VerificationState | null> {
  const envelope = Envelope.safeParse(parseJson(text))
  if (!envelope.success) return null
  const mac = fromBase64(envelope.data.mac)
  if (!mac.ok || !equalConstantTime(mac.value, await macOf(envelope.data.state, log, signer))) return null
  return VerificationState.parse(parseJson(envelope.data.state))
}

async function macOf(text: string, log: TenantId, { signer }: ReceiptSigner): Promise<Uint8Array> {
  const key = await hkdf({ key: signer.seed, info: MAC_LABEL })
  return hmac(key, lengthPrefixed(MAC_LABEL, utf8(log), utf8(text)))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
