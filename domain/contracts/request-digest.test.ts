import { describe, expect, it } from 'vitest'
import { canonicalJson, requestDigest } from './request-digest.ts'

describe('the digest of a request', () => {
  const REQUEST = { tenant_id: 't', label: 'Main', secret: `cfut_${'t'.repeat(36)}last` }

  it('is over the canonical form of RFC 8785', () => {
    const value = { b: [1, { z: null, a: 'é"\n' }], a: true, absent: undefined, '\u20ac': 10, '\ufb33': 2e21 }
    expect(canonicalJson(value)).toBe('{"a":true,"b":[1,{"a":"é\\"\\n","z":null}],"\u20ac":10,"\ufb33":2e+21}')
  })

  it('A4 tells acts and requests apart, in whatever order the fields come', async () => {
    const digest = await requestDigest('credential.store', REQUEST)
    const { label, ...rest } = REQUEST
    expect(digest).toMatch(/^[\w-]{43}$/)
    expect(await requestDigest('credential.store', { ...rest, label })).toBe(digest)
    expect(await requestDigest('credential.rotate', REQUEST)).not.toBe(digest)
    expect(await requestDigest('credential.store', { ...REQUEST, label: 'Other' })).not.toBe(digest)
  })

  it('V1 holds no more of a secret than its last four characters', async () => {
    const digest = await requestDigest('credential.store', REQUEST)
    expect(await requestDigest('credential.store', { ...REQUEST, secret: `cfut_${'u'.repeat(36)}last` })).toBe(digest)
    expect(await requestDigest('credential.store', { ...REQUEST, secret: `cfut_${'t'.repeat(36)}tail` })).not.toBe(
      digest,
    )
  })
})
