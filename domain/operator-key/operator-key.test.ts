import { describe, expect, it } from 'vitest'
import { randomBytes, toHex, utf8 } from '../bytes.ts'
import { isVouchedFor, OPERATOR_SEED_BYTES, operatorKeyOf, vouchFor } from './key.ts'
import {
  formatFingerprint,
  formatOperatorPublicKey,
  hpkeHalf,
  operatorKeyId,
  parseOperatorPublicKey,
} from './public-key.ts'
import { openReveal, PICKUP_BYTES, pickupIdOf, type RevealContext, revealInfo, sealReveal } from './reveal.ts'

const TENANT = '4f9d6c3e-1d55-4b8e-9a2b-3c6a7e8f9a01'
const USER = '7f3b1c1e-7c64-4f1c-8a53-0e1b3c2d4a5f'
const OTHER = '5a0e7d4f-2e66-4c9f-8b3c-4d7b8f9a0b12'
const SEED = new Uint8Array(OPERATOR_SEED_BYTES).fill(7)
const newKey = () => operatorKeyOf(randomBytes(OPERATOR_SEED_BYTES))
const CONTEXT: RevealContext = {
  tenantId: TENANT,
  credentialId: OTHER,
  dekVersion: 3,
  pickupId: new Uint8Array(PICKUP_BYTES).fill(9),
}

describe('an operator key', () => {
  it('comes from its seed alone, and its fingerprint covers both halves', async () => {
    const { publicKey, hpkePrivate, signingSeed } = await operatorKeyOf(SEED)
    expect(toHex(publicKey)).toBe(toHex((await operatorKeyOf(SEED)).publicKey))
    expect(toHex(hpkePrivate)).not.toBe(toHex(signingSeed))
    const id = operatorKeyId(publicKey)
    for (const at of [0, 63]) {
      expect(operatorKeyId(publicKey.with(at, (publicKey[at] ?? 0) ^ 1))).not.toBe(id)
    }
    expect(formatFingerprint(id)).toMatch(/^([0-9a-f]{4} ){7}[0-9a-f]{4}$/)
  })

  it('has one text, and nothing else passes for it', async () => {
    const { publicKey } = await newKey()
    const text = formatOperatorPublicKey(publicKey)
    expect(parseOperatorPublicKey(text)).toEqual({ ok: true, value: publicKey })
    for (const other of ['', text.slice(0, -1), `${text}A`, text.replace('_pub_', '_sec_'), `${text}=`]) {
      expect(parseOperatorPublicKey(other)).toEqual({ ok: false, code: 'operator_key_malformed' })
    }
  })

  it('V7: vouches for one key of one member of one tenant', async () => {
    const [voucher, { publicKey }, stranger] = [await newKey(), await newKey(), await newKey()]
    const context = { tenantId: TENANT, userId: USER, newKey: publicKey }
    const signature = await vouchFor(voucher.signingSeed, context)
    expect(await isVouchedFor(voucher.publicKey, signature, context)).toBe(true)
    expect(await isVouchedFor(stranger.publicKey, signature, context)).toBe(false)
    for (const other of [{ tenantId: OTHER }, { userId: OTHER }, { newKey: stranger.publicKey }]) {
      expect(await isVouchedFor(voucher.publicKey, signature, { ...context, ...other })).toBe(false)
    }
    expect(await isVouchedFor(voucher.publicKey, signature.subarray(1), context)).toBe(false)
  })
})

describe('a sealed reveal', () => {
  it('V7: opens with the operator key it was sealed to, and with no other', async () => {
    const [ours, other] = [await newKey(), await newKey()]
    const sealed = await sealReveal({
      publicKey: hpkeHalf(ours.publicKey),
      context: CONTEXT,
      plaintext: utf8('cfut_x'),
    })
    const opened = await openReveal({ privateKey: ours.hpkePrivate, context: CONTEXT, sealed })
    expect(opened).toEqual({ ok: true, value: utf8('cfut_x') })
    const foreign = await openReveal({ privateKey: other.hpkePrivate, context: CONTEXT, sealed })
    expect(foreign).toEqual({ ok: false, code: 'not_openable' })
  })

  it.each([
    ['tenant', { tenantId: OTHER }],
    ['credential', { credentialId: TENANT }],
    ['version', { dekVersion: 4 }],
    ['pickup', { pickupId: new Uint8Array(PICKUP_BYTES) }],
  ] satisfies [string, Partial<RevealContext>][])('V7: does not open as another %s', async (_, changed) => {
    const { publicKey, hpkePrivate: privateKey } = await newKey()
    const sealed = await sealReveal({ publicKey: hpkeHalf(publicKey), context: CONTEXT, plaintext: utf8('cfut_x') })
    const context = { ...CONTEXT, ...changed }
    expect(await openReveal({ privateKey, context, sealed })).toEqual({ ok: false, code: 'not_openable' })
  })

  it('has an info that names each field with its length', () => {
    expect(toHex(revealInfo(CONTEXT))).toBe(
      [
        ['00000014', toHex(utf8('flarewatch/reveal/v1'))],
        ['00000011', toHex(utf8('credential.reveal'))],
        ['00000010', TENANT.replaceAll('-', '')],
        ['00000010', OTHER.replaceAll('-', '')],
        ['00000004', '00000003'],
        ['00000020', '09'.repeat(32)],
      ]
        .flat()
        .join(''),
    )
  })

  it('waits under a name that does not say what fetches it', () => {
    const secret = randomBytes(PICKUP_BYTES)
    expect(pickupIdOf(secret)).toHaveLength(PICKUP_BYTES)
    expect(toHex(pickupIdOf(secret))).not.toBe(toHex(pickupIdOf(pickupIdOf(secret))))
  })
})
