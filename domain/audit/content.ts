import { z } from 'zod'
import { concat, equalConstantTime, lengthPrefixed, randomBytes, u32be, utf8, uuidToBytes, zeroize } from '../bytes.ts'
import { aadOf } from '../envelope/aad.ts'
import { decrypt, encrypt, hkdf, hmac, NONCE_BYTES, TAG_BYTES } from '../envelope/primitives.ts'

import { failure, type Result, success } from '../result.ts'
import type { SealedRow } from './row.ts'

const AuditContent = z.strictObject({
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  detail: z.record(z.string(), z.string()),
})
export type AuditContent = Readonly<z.infer<typeof AuditContent>>
export type TagField = 'actor' | 'action' | 'target'

/** Padding hides the length of what was done, up to its 256-byte step. */
const PADDING_STEP = 256
export const MAX_CONTENT_BYTES = 16_384
const VERSION = 0x01
const LENGTH_BYTES = 4
const HEADER_BYTES = 1 + NONCE_BYTES
const MAX_SEALED_BYTES = HEADER_BYTES + paddedLength(LENGTH_BYTES + MAX_CONTENT_BYTES) + TAG_BYTES

type KeyOfTenant = { readonly auditKey: Uint8Array; readonly keyVersion: number; readonly tenantId: string }
type SealInput = KeyOfTenant & { readonly rowId: string; readonly content: AuditContent }

export function sealContent(input: SealInput): Promise<SealedRow> {
  return sealContentWithNonce(input, randomBytes(NONCE_BYTES))
}

/** For test vectors alone. Elsewhere the nonce is random, though each row has a key of its own. */
export async function sealContentWithNonce(input: SealInput, nonce: Uint8Array): Promise<SealedRow> {
  const { tenantId, rowId, keyVersion, content } = input
  const plaintext = pad(encodeContent(content))
  try {
    const [ciphertext, tags] = await Promise.all([
      withRowKey(input, (key, aad) => encrypt({ key, nonce, aad }, plaintext)),
      tagsOf(input, content),
    ])
    return { tenantId, rowId, keyVersion, ...tags, sealed: concat(Uint8Array.of(VERSION), nonce, ciphertext) }
  } finally {
    zeroize(plaintext)
  }
}

/** Also checks that the tags are those of the content: a filter that lies is a row that does not open. */
export async function openContent({
  auditKey,
  row,
}: {
  readonly auditKey: Uint8Array
  readonly row: SealedRow
}): Promise<Result<AuditContent, 'not_openable'>> {
  const { sealed } = row
  if (sealed.length < HEADER_BYTES + PADDING_STEP + TAG_BYTES || sealed.length > MAX_SEALED_BYTES) {
    return failure('not_openable')
  }
  if (sealed[0] !== VERSION) return failure('not_openable')
  const nonce = sealed.subarray(1, HEADER_BYTES)
  const opened = await withRowKey({ ...row, auditKey }, (key, aad) =>
    decrypt({ key, nonce, aad }, sealed.subarray(HEADER_BYTES)),
  )
  const content = opened.ok ? parseContent(opened.value) : null
  if (opened.ok) zeroize(opened.value)
  if (content === null) return failure('not_openable')
  const tags = await tagsOf({ ...row, auditKey }, content)
  const honest =
    equalConstantTime(tags.actorTag, row.actorTag) &&
    equalConstantTime(tags.actionTag, row.actionTag) &&
    equalConstantTime(tags.targetTag, row.targetTag)
  return honest ? success(content) : failure('not_openable')
}

/** What a member's filter for `value` compares with; one for each version of the audit key. */
export async function tagOf(
  input: KeyOfTenant & { readonly field: TagField; readonly value: string },
): Promise<Uint8Array> {
  return withTagKey(input, (key) => tagUnder(key, input.field, input.value))
}

async function tagsOf(
  input: KeyOfTenant,
  { actor, action, target }: AuditContent,
): Promise<Pick<SealedRow, 'actorTag' | 'actionTag' | 'targetTag'>> {
  return withTagKey(input, async (key) => {
    const [actorTag, actionTag, targetTag] = await Promise.all([
      tagUnder(key, 'actor', actor),
      tagUnder(key, 'action', action),
      tagUnder(key, 'target', target),
    ])
    return { actorTag, actionTag, targetTag }
  })
}

function tagUnder(key: Uint8Array, field: TagField, value: string): Promise<Uint8Array> {
  return hmac(key, lengthPrefixed(utf8(field), utf8(value)))
}

async function withTagKey<Answer>(
  { auditKey, tenantId, keyVersion }: KeyOfTenant,
  act: (key: Uint8Array) => Promise<Answer>,
): Promise<Answer> {
  const info = aadOf({ purpose: 'audit-tag', tenantId, subjectId: null, keyVersion })
  const key = await hkdf({ key: auditKey, info })
  try {
    return await act(key)
  } finally {
    zeroize(key)
  }
}

async function withRowKey<Answer>(
  { auditKey, tenantId, rowId, keyVersion }: KeyOfTenant & { readonly rowId: string },
  act: (key: Uint8Array, aad: Uint8Array) => Promise<Answer>,
): Promise<Answer> {
  const aad = aadOf({ purpose: 'audit-row', tenantId, subjectId: rowId, keyVersion })
  const key = await hkdf({ key: auditKey, salt: uuidToBytes(rowId), info: aad })
  try {
    return await act(key, aad)
  } finally {
    zeroize(key)
  }
}

function encodeContent({ actor, action, target, detail }: AuditContent): Uint8Array {
  const bytes = utf8(JSON.stringify({ actor, action, target, detail }))
  if (bytes.length > MAX_CONTENT_BYTES) throw new RangeError(`audit content has at most ${MAX_CONTENT_BYTES} bytes`)
  return bytes
}

function pad(content: Uint8Array): Uint8Array {
  const padded = new Uint8Array(paddedLength(LENGTH_BYTES + content.length))
  padded.set(u32be(content.length))
  padded.set(content, LENGTH_BYTES)
  zeroize(content)
  return padded
}

function paddedLength(length: number): number {
  return Math.ceil(length / PADDING_STEP) * PADDING_STEP
}

/** One content has one padded form: stray bytes in the padding, or a step too many, are refused. */
function parseContent(padded: Uint8Array): AuditContent | null {
  const length = new DataView(padded.buffer, padded.byteOffset, padded.byteLength).getUint32(0)
  if (padded.length !== paddedLength(LENGTH_BYTES + length)) return null
  if (padded.subarray(LENGTH_BYTES + length).some((byte) => byte !== 0)) return null
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      padded.subarray(LENGTH_BYTES, LENGTH_BYTES + length),
    )
    return AuditContent.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}
