import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64Url } from '../bytes.ts'
import { generateDemoKek, generateKek, isDemoKek, kekCheckValue, parseKek } from './kek.ts'

fc.configureGlobal({ seed: 20261124 })

describe('a KEK', () => {
  it('is base64url of 32 bytes', () => {
    const bytes = generateKek()
    expect(parseKek(1, toBase64Url(bytes))).toEqual({ ok: true, value: { version: 1, bytes } })
  })

  it.each([
    ['empty', ''],
    ['short', toBase64Url(new Uint8Array(31).fill(7).with(0, 1))],
    ['long', toBase64Url(new Uint8Array(33).fill(7).with(0, 1))],
    ['padded', `${toBase64Url(generateKek())}=`],
    ['with a space', ` ${toBase64Url(generateKek()).slice(1)}`],
    ['one repeated byte, as placeholders are', 'A'.repeat(43)],
  ])('is refused when %s (S2)', (_, text) => {
    expect(parseKek(1, text)).toEqual({ ok: false, code: 'kek_malformed' })
  })

  it('has a version from 1 that 32 bits hold', () => {
    const text = toBase64Url(generateKek())
    for (const version of [0, -1, 1.5, 2 ** 32]) expect(parseKek(version, text).ok).toBe(false)
  })

  it('never parses from a text that it would not be written as', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 43, maxLength: 43 }), (text) => {
        const parsed = parseKek(1, text)
        if (parsed.ok) expect(toBase64Url(parsed.value.bytes)).toBe(text)
      }),
    )
  })
})

describe('a demo KEK', () => {
  it('is known by its bytes wherever it comes from (S2)', () => {
    const demo = generateDemoKek()
    expect(isDemoKek(demo)).toBe(true)
    for (const [i, byte] of demo.entries()) expect(isDemoKek(demo.with(i, byte ^ 1))).toBe(false)
    expect(isDemoKek(generateKek())).toBe(false)
    expect(isDemoKek(new Uint8Array())).toBe(false)
  })
})

it('has a check value of its key and its version', async () => {
  const bytes = generateKek()
  const value = await kekCheckValue({ version: 1, bytes })
  expect(value).toHaveLength(32)
  expect(await kekCheckValue({ version: 1, bytes })).toEqual(value)
  expect(await kekCheckValue({ version: 2, bytes })).not.toEqual(value)
  expect(await kekCheckValue({ version: 1, bytes: generateKek() })).not.toEqual(value)
})
