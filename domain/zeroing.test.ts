import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openContent, sealContent, tagOf } from './audit/content.ts'
import { randomBytes, utf8 } from './bytes.ts'
import { openRecord, sealRecord } from './envelope/record.ts'
import { unwrapKey, wrapKey } from './envelope/wrap.ts'
import { Secret } from './secret.ts'

/**
 * Every buffer with key or plaintext that goes into WebCrypto or comes out of it is seen here, and looked at again once the call
 * has returned: what is not the caller's own has to be zero (V5).
 */
const seen: Uint8Array[] = []
const real = { ...pick(crypto.subtle) }

beforeEach(() => {
  seen.length = 0
  const watched: Partial<SubtleCrypto> = {
    importKey: ((format: 'raw', key: Uint8Array<ArrayBuffer>, ...rest: [string, boolean, KeyUsage[]]) => {
      seen.push(key)
      return real.importKey(format, key, ...rest)
    }) as SubtleCrypto['importKey'],
    encrypt: (algorithm, key, plaintext) => {
      seen.push(plaintext as Uint8Array)
      return real.encrypt(algorithm, key, plaintext)
    },
  }
  Object.assign(crypto.subtle, watched)
})
afterEach(() => {
  for (const name of ['importKey', 'encrypt']) Reflect.deleteProperty(crypto.subtle, name)
})

const tenantId = crypto.randomUUID()
const [kek, share, key] = [{ version: 1, bytes: randomBytes(32) }, randomBytes(32), randomBytes(32)]
const context = { purpose: 'tenant-dek', tenantId, keyVersion: 1 } as const

describe('V5: what a call derived or decoded is zero when it returns', () => {
  it('wrapping and unwrapping a key', async () => {
    const wrapped = await wrapKey({ kek, share, context, key })
    await unwrapKey({ kek, share, context, wrapped })
    await unwrapKey({ kek, share, context, wrapped: wrapped.with(20, 1) })
    expectZeroBut(kek.bytes, key)
  })

  it('sealing and opening a record', async () => {
    const record = { tenantId, credentialId: crypto.randomUUID(), dekVersion: 1 }
    const plaintext = utf8('plaintext of the caller')
    const sealed = await sealRecord({ subkey: key, context: record, plaintext })
    for (const bytes of [sealed, sealed.with(40, 1), sealed.with(5, 1)]) {
      await openRecord({ subkey: key, context: record, sealed: bytes })
    }
    expectZeroBut(key, plaintext)
  })

  it('sealing and opening audit content', async () => {
    const content = { actor: 'connector', action: 'credential.open', target: 'x', detail: {} }
    const row = await sealContent({ auditKey: key, keyVersion: 1, tenantId, rowId: crypto.randomUUID(), content })
    expect(await openContent({ auditKey: key, row })).toMatchObject({ ok: true })
    await tagOf({ auditKey: key, keyVersion: 1, tenantId, field: 'actor', value: 'connector' })
    expectZeroBut(key)
  })

  it('a secret, once it is let go', () => {
    const bytes = utf8('secret of the caller')
    Secret.fromBytes(bytes).zeroize()
    expect(bytes.every((byte) => byte === 0)).toBe(true)
  })
})

function expectZeroBut(...own: readonly Uint8Array[]): void {
  const others = seen.filter((bytes) => !own.includes(bytes))
  expect(others.length).toBeGreaterThan(0)
  expect(others.filter((bytes) => bytes.some((byte) => byte !== 0))).toEqual([])
}

function pick(subtle: SubtleCrypto): Pick<SubtleCrypto, 'importKey' | 'encrypt'> {
  return { importKey: subtle.importKey.bind(subtle), encrypt: subtle.encrypt.bind(subtle) } as typeof subtle
}
