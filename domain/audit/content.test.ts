import { describe, expect, it } from 'vitest'
import { concat, randomBytes, toHex, u32be, utf8, uuidToBytes } from '../bytes.ts'
import { aadOf } from '../envelope/aad.ts'
import { encrypt, hkdf } from '../envelope/primitives.ts'
import { type AuditContent, MAX_CONTENT_BYTES, openContent, sealContent, tagOf } from './content.ts'
import type { SealedRow } from './row.ts'

const tenantId = crypto.randomUUID()
const rowId = crypto.randomUUID()
const auditKey = randomBytes(32)
const content: AuditContent = {
  actor: 'user:6b1f0a52-2f66-4a0c-9f0b-5a3c9b7a3f10',
  action: 'credential.open',
  target: 'credential:marker-9f3a',
  detail: { job: 'poll ☂' },
}
const seal = (changes: Partial<AuditContent> = {}) =>
  sealContent({ auditKey, keyVersion: 1, tenantId, rowId, content: { ...content, ...changes } })
const NOT_OPENABLE = { ok: false, code: 'not_openable' }

/** Seals bytes that no sealer of ours would, under the right key. */
async function sealBytes(plaintext: Uint8Array): Promise<SealedRow> {
  const row = await seal()
  const aad = aadOf({ purpose: 'audit-row', tenantId, subjectId: rowId, keyVersion: 1 })
  const key = await hkdf({ key: auditKey, salt: uuidToBytes(rowId), info: aad })
  const nonce = randomBytes(12)
  return { ...row, sealed: concat(Uint8Array.of(1), nonce, await encrypt({ key, nonce, aad }, plaintext)) }
}

describe('sealed audit content', () => {
  it('opens with the tenant’s audit key', async () => {
    expect(await openContent({ auditKey, row: await seal() })).toEqual({ ok: true, value: content })
  })

  it('shows no word of itself (T3)', async () => {
    const row = await seal()
    const stored = [row.sealed, row.actorTag, row.actionTag, row.targetTag].map(toHex).join()
    for (const word of ['marker', 'credential', 'poll', 'user']) expect(stored).not.toContain(toHex(utf8(word)))
  })

  it('has a length in steps of 256 bytes, whatever was done', async () => {
    const short = await seal({ detail: {} })
    expect(short.sealed).toHaveLength(1 + 12 + 256 + 16)
    expect((await seal({ detail: { note: 'x'.repeat(80) } })).sealed).toHaveLength(short.sealed.length)
    expect((await seal({ detail: { note: 'x'.repeat(300) } })).sealed).toHaveLength(short.sealed.length + 256)
  })

  it('opens in no other row, tenant or key version (V3)', async () => {
    const row = await seal()
    for (const other of [{ rowId: tenantId }, { tenantId: rowId }, { keyVersion: 2 }]) {
      expect(await openContent({ auditKey, row: { ...row, ...other } })).toEqual(NOT_OPENABLE)
    }
    expect(await openContent({ auditKey: randomBytes(32), row })).toEqual(NOT_OPENABLE)
  })

  it('does not open with any one byte changed, nor with a tag that is not its own', async () => {
    const row = await seal()
    for (const [i, byte] of row.sealed.entries()) {
      const opened = await openContent({ auditKey, row: { ...row, sealed: row.sealed.with(i, byte ^ 1) } })
      expect(opened).toEqual(NOT_OPENABLE)
    }
    for (const field of ['actorTag', 'actionTag', 'targetTag'] as const) {
      expect(await openContent({ auditKey, row: { ...row, [field]: randomBytes(32) } })).toEqual(NOT_OPENABLE)
    }
  })

  it('has one form: padding, length and fields are judged', async () => {
    const json = utf8(JSON.stringify(content))
    const sound = concat(u32be(json.length), json, new Uint8Array(256 - 4 - json.length))
    const malformed = [
      sound.with(-1, 1),
      concat(sound, new Uint8Array(256)),
      concat(u32be(0xffffffff), sound.subarray(4)),
      concat(u32be(json.length - 1), sound.subarray(4)),
      new Uint8Array(256),
      new Uint8Array(256).fill(0xff),
      concat(u32be(2), utf8('{}'), new Uint8Array(250)),
    ]
    expect((await openContent({ auditKey, row: await sealBytes(sound) })).ok).toBe(true)
    for (const bytes of malformed) {
      expect(await openContent({ auditKey, row: await sealBytes(bytes) })).toEqual(NOT_OPENABLE)
    }
  })

  it('has a bound', async () => {
    await expect(seal({ detail: { note: 'x'.repeat(MAX_CONTENT_BYTES) } })).rejects.toThrow(RangeError)
  })
})

describe('a tag', () => {
  it('is what a filter for the value computes', async () => {
    const row = await seal()
    const input = { auditKey, keyVersion: 1, tenantId }
    expect(await tagOf({ ...input, field: 'actor', value: content.actor })).toEqual(row.actorTag)
    expect(await tagOf({ ...input, field: 'action', value: content.action })).toEqual(row.actionTag)
    expect(await tagOf({ ...input, field: 'target', value: content.target })).toEqual(row.targetTag)
  })

  it('differs by field, tenant, key and key version', async () => {
    const input = { auditKey, keyVersion: 1, tenantId, field: 'actor' as const, value: 'x' }
    const tags = await Promise.all([
      tagOf(input),
      tagOf({ ...input, field: 'target' }),
      tagOf({ ...input, tenantId: rowId }),
      tagOf({ ...input, keyVersion: 2 }),
      tagOf({ ...input, auditKey: randomBytes(32) }),
      tagOf({ ...input, value: 'y' }),
    ])
    expect(new Set(tags.map(toHex)).size).toBe(tags.length)
  })
})
