import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { concat, equalConstantTime } from '../bytes.ts'
import { decrypt, encrypt, hkdf, hmac, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from '../envelope/primitives.ts'
import { verifyEd25519 } from '../note/keys.ts'
import { wycheproofFiles } from './files.fixture.ts'

if (wycheproofFiles === null) console.log('Wycheproof vectors not found (WYCHEPROOF_DIR): their checks are not run')

const hex = z
  .string()
  .regex(/^([0-9a-f]{2})*$/)
  .transform((text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)))
const outcome = { tcId: z.int(), comment: z.string(), result: z.enum(['valid', 'invalid', 'acceptable']) }

function groupsOf<Shape extends z.ZodType>(name: string, group: Shape): z.infer<Shape>[] {
  const text = wycheproofFiles?.[name]
  return text === undefined ? [] : z.object({ testGroups: z.array(group) }).parse(JSON.parse(text)).testGroups
}

/** Each file has many cases of sizes that Flarewatch never uses; those of ours must be among them. */
const MANY = 20

describe.skipIf(wycheproofFiles === null)('the primitives against Wycheproof', () => {
  it('AES-256-GCM seals as it should and opens nothing else', async () => {
    const test = z.object({ ...outcome, key: hex, iv: hex, aad: hex, msg: hex, ct: hex, tag: hex })
    const groups = groupsOf('aes_gcm_test', z.object({ tests: z.array(test) }))
    const ours = groups
      .flatMap(({ tests }) => tests)
      .filter(({ key, iv, tag }) => {
        return key.length === KEY_BYTES && iv.length === NONCE_BYTES && tag.length === TAG_BYTES
      })
    expect(ours.length).toBeGreaterThan(MANY)
    for (const { tcId, key, iv: nonce, aad, msg, ct, tag, result } of ours) {
      const opened = await decrypt({ key, nonce, aad }, concat(ct, tag))
      expect(opened.ok, `case ${tcId}`).toBe(result === 'valid')
      if (!opened.ok) continue
      expect(opened.value, `case ${tcId}`).toEqual(msg)
      expect(await encrypt({ key, nonce, aad }, msg), `case ${tcId}`).toEqual(concat(ct, tag))
    }
  })

  it('HKDF-SHA256 derives what it should', async () => {
    const test = z.object({ ...outcome, ikm: hex, salt: hex, info: hex, size: z.int(), okm: hex })
    const groups = groupsOf('hkdf_sha256_test', z.object({ tests: z.array(test) }))
    // Output of any length starts with the same bytes (RFC 5869 section 2.3), so longer cases judge ours as well.
    const ours = groups
      .flatMap(({ tests }) => tests)
      .filter(({ size, result }) => size >= KEY_BYTES && result === 'valid')
    expect(ours.length).toBeGreaterThan(MANY)
    for (const { tcId, ikm, salt, info, okm } of ours) {
      expect(await hkdf({ key: ikm, salt, info }), `case ${tcId}`).toEqual(okm.subarray(0, KEY_BYTES))
    }
  })

  it('HMAC-SHA256 computes what it should', async () => {
    const test = z.object({ ...outcome, key: hex, msg: hex, tag: hex })
    const groups = groupsOf('hmac_sha256_test', z.object({ tests: z.array(test) }))
    const ours = groups.flatMap(({ tests }) => tests).filter(({ tag }) => tag.length === KEY_BYTES)
    expect(ours.length).toBeGreaterThan(MANY)
    for (const { tcId, key, msg, tag, result } of ours) {
      expect(equalConstantTime(await hmac(key, msg), tag), `case ${tcId}`).toBe(result === 'valid')
    }
  })

  it('Ed25519 accepts what it should and no malleable or malformed signature', async () => {
    const test = z.object({ ...outcome, msg: hex, sig: hex })
    const group = z.object({ publicKey: z.object({ pk: hex }), tests: z.array(test) })
    const groups = groupsOf('ed25519_test', group)
    expect(groups.flatMap(({ tests }) => tests).length).toBeGreaterThan(MANY)
    for (const { publicKey, tests } of groups) {
      for (const { tcId, msg, sig, result } of tests) {
        expect(await verifyEd25519(publicKey.pk, sig, msg), `case ${tcId}`).toBe(result === 'valid')
      }
    }
  })
})
