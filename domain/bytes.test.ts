import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bytesToUuid,
  concat,
  equalConstantTime,
  fromBase64,
  fromBase64Url,
  lengthPrefixed,
  toBase64,
  toBase64Url,
  toHex,
  u32be,
  u64be,
  utf8,
  uuidToBytes,
} from './bytes.ts'

fc.configureGlobal({ seed: 20261124 })

const fields = fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 5 })

describe('length-prefixed fields', () => {
  it('give different bytes for different lists, however their content is cut (V3)', () => {
    fc.assert(
      fc.property(fields, fields, (one, other) => {
        const same = one.length === other.length && one.every((field, i) => toHex(field) === toHex(other[i] ?? field))
        expect(toHex(lengthPrefixed(...one)) === toHex(lengthPrefixed(...other))).toBe(same)
      }),
    )
  })

  it('tell a shifted boundary apart', () => {
    expect(lengthPrefixed(utf8('ab'), utf8('c'))).not.toEqual(lengthPrefixed(utf8('a'), utf8('bc')))
    expect(lengthPrefixed(utf8('a'))).not.toEqual(lengthPrefixed(utf8('a'), utf8('')))
  })
})

describe('integers', () => {
  it('are big-endian', () => {
    expect(u32be(0x01020304)).toEqual(Uint8Array.of(1, 2, 3, 4))
    expect(u64be(2 ** 40 + 1)).toEqual(Uint8Array.of(0, 0, 1, 0, 0, 0, 0, 1))
  })

  it('are refused where they have no exact encoding', () => {
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 32]) expect(() => u32be(wrong)).toThrow(RangeError)
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => u64be(wrong)).toThrow(RangeError)
  })
})

describe('texts of bytes', () => {
  it('come back as they went, and no other text gives the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(fromBase64(toBase64(bytes))).toEqual({ ok: true, value: bytes })
        expect(fromBase64Url(toBase64Url(bytes))).toEqual({ ok: true, value: bytes })
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'AQgw-_+/=Zz \n') }), (text) => {
        const standard = fromBase64(text)
        if (standard.ok) expect(toBase64(standard.value)).toBe(text)
        const url = fromBase64Url(text)
        if (url.ok) expect(toBase64Url(url.value)).toBe(text)
      }),
    )
  })

  it.each(['A', 'AB', 'AA=', 'AA==', 'A+', ' AA', 'AA\n', 'é'])('refuse %j as base64url', (text) => {
    expect(fromBase64Url(text)).toEqual({ ok: false, code: 'not_base64url' })
  })

  it.each(['AA', 'AB==', 'A===', 'AA==\n', '====', 'A-=='])('refuse %j as base64', (text) => {
    expect(fromBase64(text)).toEqual({ ok: false, code: 'not_base64' })
  })

  it('keep a UUID', () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        expect(bytesToUuid(uuidToBytes(uuid))).toBe(uuid)
      }),
    )
    expect(() => uuidToBytes('0B3E6F1A-0000-4000-8000-000000000000')).toThrow(RangeError)
    expect(() => bytesToUuid(new Uint8Array(15))).toThrow(RangeError)
  })
})

it('compares bytes whole', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (one, other) => {
      expect(equalConstantTime(one, other)).toBe(toHex(one) === toHex(other))
      expect(equalConstantTime(one, concat(one))).toBe(true)
    }),
  )
})
