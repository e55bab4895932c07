import { describe, expect, it } from 'vitest'
import { randomBytes } from '../bytes.ts'
import type { Kek } from './kek.ts'
import { unwrapKey, WRAPPED_BYTES, type WrapContext, wrapKey } from './wrap.ts'

const [tenantId, otherId] = [crypto.randomUUID(), crypto.randomUUID()]
const kek: Kek = { version: 1, bytes: randomBytes(32) }
const share = randomBytes(32)
const key = randomBytes(32)
const NOT_OPENABLE = { ok: false, code: 'not_openable' }

const contexts: readonly WrapContext[] = [
  { purpose: 'tenant-dek', tenantId, keyVersion: 1 },
  { purpose: 'tenant-dek', tenantId, keyVersion: 2 },
  { purpose: 'tenant-dek', tenantId: otherId, keyVersion: 1 },
  { purpose: 'audit-key', tenantId, keyVersion: 1 },
  { purpose: 'credential-dek', tenantId, credentialId: tenantId, keyVersion: 1 },
  { purpose: 'credential-dek', tenantId, credentialId: otherId, keyVersion: 1 },
  { purpose: 'credential-dek', tenantId: otherId, credentialId: otherId, keyVersion: 1 },
]

describe('a wrapped key', () => {
  it.each(contexts)(
    'opens under $purpose, tenant and version as it was wrapped, and under no other (V3)',
    async (context) => {
      const wrapped = await wrapKey({ kek, share, context, key })
      expect(wrapped).toHaveLength(WRAPPED_BYTES)
      for (const tried of contexts) {
        const opened = await unwrapKey({ kek, share, context: tried, wrapped })
        expect(opened).toEqual(tried === context ? { ok: true, value: key } : NOT_OPENABLE)
      }
    },
  )

  it('opens with neither KEK nor share alone (V2)', async () => {
    const [context] = contexts
    if (context === undefined) throw new Error('no context')
    const wrapped = await wrapKey({ kek, share, context, key })
    const tries = [
      { kek, share: randomBytes(32) },
      { kek, share: new Uint8Array(32) },
      { kek, share: new Uint8Array() },
      { kek: { version: 1, bytes: randomBytes(32) }, share },
      { kek: { version: 2, bytes: kek.bytes }, share },
    ]
    for (const parts of tries) expect(await unwrapKey({ ...parts, context, wrapped })).toEqual(NOT_OPENABLE)
  })

  it('does not open with any one byte changed, cut or added', async () => {
    const context: WrapContext = { purpose: 'audit-key', tenantId, keyVersion: 1 }
    const wrapped = await wrapKey({ kek, share, context, key })
    const damaged: Uint8Array[] = [...wrapped].map((byte, i) => wrapped.with(i, byte ^ 0x80))
    damaged.push(wrapped.subarray(1), wrapped.subarray(0, -1), new Uint8Array([...wrapped, 0]), new Uint8Array())
    for (const each of damaged) expect(await unwrapKey({ kek, share, context, wrapped: each })).toEqual(NOT_OPENABLE)
  })

  it('is different each time', async () => {
    const context: WrapContext = { purpose: 'audit-key', tenantId, keyVersion: 1 }
    expect(await wrapKey({ kek, share, context, key })).not.toEqual(await wrapKey({ kek, share, context, key }))
  })
})
