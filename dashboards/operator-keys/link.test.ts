import { describe, expect, test } from 'vitest'
import { formatOperatorPublicKey, operatorKeyId } from '../../domain/operator-key/public-key.ts'
import { enrolmentOf, revealOf } from './link.ts'

const ID = '4f9d6c3e-1d55-4b8e-9a2b-3c6a7e8f9a01'
const publicKey = Uint8Array.from({ length: 64 }, (_, index) => index)
const key = formatOperatorPublicKey(publicKey)
const fragment = (fields: Record<string, string>) => `#${new URLSearchParams(fields)}`

describe('the link of an enrolment', () => {
  test('V7: shows the fingerprint of the key that is enrolled, whatever else the link says', () => {
    const enrolment = enrolmentOf(fragment({ tenant: ID, key, fingerprint: 'of another' }))
    expect(enrolment?.keyId).toBe(operatorKeyId(publicKey))
    expect(enrolment?.request).toEqual({ tenant_id: ID, public_key: key.slice('fwok_pub_'.length), vouch: null })
  })

  test('carries the signature of an earlier key', () => {
    const signature = 'A'.repeat(86)
    const enrolment = enrolmentOf(fragment({ tenant: ID, key, voucher: ID, signature }))
    expect(enrolment?.request.vouch).toEqual({ key_id: ID, signature })
  })

  test.each([
    ['nothing', ''],
    ['a cut key', fragment({ tenant: ID, key: key.slice(0, -2) })],
    ['no tenant', fragment({ key })],
    ['a signature by nobody', fragment({ tenant: ID, key, voucher: ID })],
  ])('with %s is none', (_, text) => expect(enrolmentOf(text)).toBeNull())
})

describe('the link of a reveal', () => {
  const fields = { tenant: ID, credential: ID, key: ID, pickup: 'A'.repeat(43) }

  test('names tenant, credential, key and pickup', () => {
    const request = { tenant_id: ID, credential_id: ID, key_id: ID, pickup_id: fields.pickup }
    expect(revealOf(fragment(fields))).toEqual(request)
  })

  test.each(Object.keys(fields))('without its %s is none', (name) => {
    expect(revealOf(fragment({ ...fields, [name]: 'x' }))).toBeNull()
  })
})
