import { describe, expect, it } from 'vitest'
import { utf8 } from './bytes.ts'
import { generateHpkeKeyPair, hpkeOpen, hpkeSeal, publicHalf } from './hpke.ts'

const info = utf8('info')
const plaintext = utf8('two shares')

describe('HPKE (RFC 9180)', () => {
  it('opens what was sealed to its public half, and only under the same info', async () => {
    const { publicKey, privateKey } = await generateHpkeKeyPair()
    const sealed = await hpkeSeal({ publicKey, info, plaintext })
    expect(await hpkeOpen({ privateKey, info, sealed })).toEqual({ ok: true, value: plaintext })
    expect(await hpkeOpen({ privateKey, info: utf8('other'), sealed })).toEqual({ ok: false, code: 'not_openable' })
  })

  it('opens for no other key', async () => {
    const [ours, other] = [await generateHpkeKeyPair(), await generateHpkeKeyPair()]
    const sealed = await hpkeSeal({ publicKey: ours.publicKey, info, plaintext })
    const opened = await hpkeOpen({ privateKey: other.privateKey, info, sealed })
    expect(opened).toEqual({ ok: false, code: 'not_openable' })
  })

  it('opens with no byte changed, and not when cut', async () => {
    const { publicKey, privateKey } = await generateHpkeKeyPair()
    const sealed = await hpkeSeal({ publicKey, info, plaintext })
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = sealed.with(at, (sealed[at] ?? 0) ^ 1)
      expect(await hpkeOpen({ privateKey, info, sealed: changed })).toEqual({ ok: false, code: 'not_openable' })
    }
    for (const length of [0, 31, 47, sealed.length - 1]) {
      const cut = sealed.slice(0, length)
      expect(await hpkeOpen({ privateKey, info, sealed: cut })).toEqual({ ok: false, code: 'not_openable' })
    }
  })

  it('seals twice into different bytes', async () => {
    const { publicKey } = await generateHpkeKeyPair()
    const input = { publicKey, info, plaintext }
    expect(await hpkeSeal(input)).not.toEqual(await hpkeSeal(input))
  })

  it.each([
    ['zero', new Uint8Array(32)],
    ['one', new Uint8Array(32).with(0, 1)],
  ])('does not seal to a point of low order: %s', async (_, publicKey) => {
    await expect(hpkeSeal({ publicKey, info, plaintext })).rejects.toThrow()
  })

  it('tells the public half of a private key, and bytes that are no key', async () => {
    const { publicKey, privateKey } = await generateHpkeKeyPair()
    expect(await publicHalf(privateKey)).toEqual({ ok: true, value: publicKey })
    expect(await publicHalf(new Uint8Array(31))).toEqual({ ok: false, code: 'not_a_key' })
  })
})
