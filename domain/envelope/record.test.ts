import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, randomBytes, utf8 } from '../bytes.ts'
import {
  commitmentOf,
  commitmentUnder,
  deriveSubkey,
  openRecord,
  openRecordOrFault,
  type RecordContext,
  sealRecord,
} from './record.ts'

fc.configureGlobal({ seed: 20261124 })

const dek = randomBytes(32)
const salt = randomBytes(32)
const context: RecordContext = { tenantId: crypto.randomUUID(), credentialId: crypto.randomUUID(), dekVersion: 1 }
const subkey = await deriveSubkey({ dek, salt, context })
const plaintext = utf8('cfut_not-a-real-token')
const NOT_OPENABLE = { ok: false, code: 'not_openable' }

describe('a sealed record', () => {
  it('opens to what was sealed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), async (bytes) => {
        const sealed = await sealRecord({ subkey, context, plaintext: bytes })
        expect(await openRecord({ subkey, context, sealed })).toEqual({ ok: true, value: bytes })
      }),
      { numRuns: 25 },
    )
  })

  it('opens in no other row, tenant or version (V3)', async () => {
    const sealed = await sealRecord({ subkey, context, plaintext })
    const others: RecordContext[] = [
      { ...context, tenantId: crypto.randomUUID() },
      { ...context, credentialId: crypto.randomUUID() },
      { ...context, dekVersion: 2 },
      { ...context, tenantId: context.credentialId, credentialId: context.tenantId },
    ]
    for (const other of others) {
      expect(await openRecord({ subkey, context: other, sealed })).toEqual(NOT_OPENABLE)
      const otherKey = await deriveSubkey({ dek, salt, context: other })
      expect(await openRecord({ subkey: otherKey, context: other, sealed })).toEqual(NOT_OPENABLE)
    }
  })

  it('opens under no key of another encryption, though DEK and row are the same (V1)', async () => {
    const sealed = await sealRecord({ subkey, context, plaintext })
    const next = await deriveSubkey({ dek, salt: randomBytes(32), context })
    expect(await openRecord({ subkey: next, context, sealed })).toEqual(NOT_OPENABLE)
  })

  it('does not open when its commitment names another key, even where GCM would (V1)', async () => {
    const sealed = await sealRecord({ subkey, context, plaintext })
    const foreign = await sealRecord({ subkey: randomBytes(32), context, plaintext })
    const spliced = concat(foreign.subarray(0, 33), sealed.subarray(33))
    expect(await openRecord({ subkey, context, sealed: spliced })).toEqual(NOT_OPENABLE)
  })

  it('does not open with any one byte changed, cut or added', async () => {
    const sealed = await sealRecord({ subkey, context, plaintext })
    const damaged: Uint8Array[] = [...sealed].map((byte, i) => sealed.with(i, byte ^ 0x01))
    damaged.push(sealed.subarray(1), sealed.subarray(0, -1), concat(sealed, Uint8Array.of(0)))
    for (const each of damaged) expect(await openRecord({ subkey, context, sealed: each })).toEqual(NOT_OPENABLE)
  })

  it('tells the sealed row alone which of three ways it did not open in (V3)', async () => {
    const sealed = await sealRecord({ subkey, context, plaintext })
    const faultOf = (changed: Uint8Array, under = subkey, as = context) =>
      openRecordOrFault({ subkey: under, context: as, sealed: changed })
    for (const malformed of [sealed.subarray(0, 60), sealed.with(0, 0x02)]) {
      expect(await faultOf(malformed)).toEqual({ ok: false, code: 'record_malformed' })
    }
    expect(await faultOf(sealed.with(7, (sealed[7] ?? 0) ^ 1))).toEqual({
      ok: false,
      code: 'record_commitment_mismatch',
    })
    expect(await faultOf(sealed, randomBytes(32))).toEqual({ ok: false, code: 'record_commitment_mismatch' })
    expect(await faultOf(sealed.with(50, (sealed[50] ?? 0) ^ 1))).toEqual({ ok: false, code: 'record_altered' })
    expect(await faultOf(sealed, subkey, { ...context, dekVersion: 2 })).toEqual({ ok: false, code: 'record_altered' })
    expect(await faultOf(sealed)).toEqual({ ok: true, value: plaintext })
  })

  it('commits to the subkey that it was sealed under (V1)', async () => {
    const sealed = await sealRecord({ subkey, context, plaintext })
    expect(commitmentOf(sealed)).toEqual(await commitmentUnder(subkey))
    expect(commitmentOf(sealed)).not.toEqual(await commitmentUnder(randomBytes(32)))
  })

  it('is refused, never thrown at, whatever bytes stand in its place', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 120 }), async (bytes) => {
        expect(await openRecord({ subkey, context, sealed: bytes })).toEqual(NOT_OPENABLE)
      }),
      { numRuns: 100 },
    )
  })
})
