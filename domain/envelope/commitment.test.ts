import { describe, expect, it } from 'vitest'
import { concat, utf8 } from '../bytes.ts'
import { aadOf } from './aad.ts'
import { decrypt, hkdf } from './primitives.ts'
import { openRecord, type RecordContext, sealRecord } from './record.ts'

/**
 * GCM alone commits to no key: whoever knows two can make one ciphertext that opens under both (Grubbs, Lu, Ristenpart, "Message
 * Franking via Committing Authenticated Encryption", CRYPTO 2017). A record could then say one thing to the connector and another to
 * whoever looks for what went wrong.
 */
const context: RecordContext = {
  tenantId: '7e4b7a0e-9b0c-4a53-8f5e-0d0e0c6f2a11',
  credentialId: '0b9d6c1e-5b3f-4c7e-9a51-2f7f4d9a6c03',
  dekVersion: 1,
}
/** R of SP 800-38D section 6.3. */
const REDUCTION = 0xe1n << 120n
const aad = aadOf({ purpose: 'credential', tenantId: context.tenantId, subjectId: context.credentialId, keyVersion: 1 })
const nonce = new Uint8Array(12).fill(7)
const subkeys = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)] as const
const [one, other] = await Promise.all(subkeys.map((key) => hkdf({ key, info: utf8('flarewatch/encryption/v1') })))
if (one === undefined || other === undefined) throw new Error('no keys')
const twofold = await openingUnderBoth(one, other)

describe('V1: one ciphertext for two keys', () => {
  it('is opened by AES-GCM under either', async () => {
    const opened = await Promise.all([one, other].map((key) => decrypt({ key, nonce, aad }, twofold)))
    expect(opened.map(({ ok }) => ok)).toEqual([true, true])
    const [first, second] = opened.map((plaintext) => (plaintext.ok ? [...plaintext.value] : null))
    expect(first).not.toEqual(second)
  })

  it('is a record under the one that it commits to, and under no other', async () => {
    for (const [index, subkey] of subkeys.entries()) {
      const committed = (await sealRecord({ subkey, context, plaintext: new Uint8Array() })).subarray(0, 33)
      const sealed = concat(committed, nonce, twofold)
      const opened = await Promise.all(subkeys.map((key) => openRecord({ subkey: key, context, sealed })))
      expect(opened.map(({ ok }) => ok)).toEqual(subkeys.map((_, tried) => tried === index))
    }
  })
})

/** Two blocks and a tag, the first block free, the second such that both keys give the same tag. */
async function openingUnderBoth(one: Uint8Array, other: Uint8Array): Promise<Uint8Array> {
  const free = new Uint8Array(16).fill(0x5a)
  const lengths = concat(u64(aad.length * 8), u64(32 * 8))
  const parts = async (key: Uint8Array) => {
    const h = toField(await block(key, new Uint8Array(16)))
    const mask = toField(await block(key, concat(nonce, Uint8Array.of(0, 0, 0, 1))))
    // GHASH over AAD, first block, an empty second block and the lengths (NIST SP 800-38D, algorithms 2 and 4).
    const hashed = [...blocksOf(aad), free, new Uint8Array(16), lengths].reduce(
      (sum, next) => multiply(sum ^ toField(next), h),
      0n,
    )
    return { square: multiply(h, h), tag: hashed ^ mask }
  }
  const [a, b] = [await parts(one), await parts(other)]
  const second = multiply(a.tag ^ b.tag, invert(a.square ^ b.square))
  const tag = a.tag ^ multiply(second, a.square)
  return concat(free, fromField(second), fromField(tag))
}

/** AES of one block: CBC with a zero IV is that, and all that WebCrypto offers. */
async function block(key: Uint8Array, bytes: Uint8Array): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey('raw', Uint8Array.from(key), 'AES-CBC', false, ['encrypt'])
  const iv = new Uint8Array(16)
  const encrypted = await crypto.subtle.encrypt({ name: 'AES-CBC', iv }, imported, Uint8Array.from(bytes))
  return new Uint8Array(encrypted).subarray(0, 16)
}

function blocksOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / 16) }, (_, index) => {
    const padded = new Uint8Array(16)
    padded.set(bytes.subarray(index * 16, index * 16 + 16))
    return padded
  })
}

/** GF(2^128) as GCM has it: bit 0 is the leftmost (SP 800-38D section 6.3). */
function multiply(x: bigint, y: bigint): bigint {
  let product = 0n
  let shifted = y
  for (let bit = 127n; bit >= 0n; bit -= 1n) {
    if ((x >> bit) & 1n) product ^= shifted
    shifted = shifted & 1n ? (shifted >> 1n) ^ REDUCTION : shifted >> 1n
  }
  return product
}

/** x^(2^128 - 2), since the field has 2^128 - 1 elements besides zero. */
function invert(x: bigint): bigint {
  let inverse = 1n << 127n
  let power = x
  for (let bit = 1; bit < 128; bit += 1) {
    power = multiply(power, power)
    inverse = multiply(inverse, power)
  }
  return inverse
}

function toField(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

function fromField(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, index) => Number((value >> BigInt(8 * (15 - index))) & 0xffn))
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}
