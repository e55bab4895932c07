import { describe, expect, it } from 'vitest'
import { success } from '../../result.ts'
import type { Ask } from '../grade.ts'
import { resendGrading } from './grading.ts'

const KEY = 're_0a1b2c3d_000102030405060708090a0b'
const id = (last: number) => `d91cd9bd-1176-453e-8fc1-35364d38020${last}`
const domains = [0, 1].map((last) => ({
  id: id(last),
  name: `shop-${last}.example`,
  status: 'verified',
  created_at: '2026-04-26 20:21:26.347412+00',
}))

async function probe(status: number, value: unknown) {
  const paths: string[] = []
  const ask: Ask = async ({ path }) => {
    paths.push(path)
    return success({ status, value })
  }
  const shape = resendGrading.judgeShape(KEY)
  if (!shape.ok) throw new Error(shape.code)
  const judged = await shape.value(ask)
  expect(paths).toEqual(['/domains?limit=100'])
  return judged
}

describe('the shape of a Resend key', () => {
  it.each([
    '',
    're_',
    KEY.slice(3),
    `${KEY} `,
    `Bearer ${KEY}`,
    'whsec_000102030405060708090a0b',
    `re_${'a'.repeat(200)}`,
  ])('that no key has is refused before anything is asked: %j', (text) => {
    expect(resendGrading.judgeShape(text)).toEqual({ ok: false, code: 'credential_malformed' })
  })
})

describe('grading a Resend key', () => {
  it('T5: accepts full access, grades it over-scoped, and says that Resend has no lesser key that reads', async () => {
    const judged = await probe(200, { object: 'list', has_more: false, data: domains })
    expect(judged).toMatchObject({ ok: true, value: { grade: 'over_scoped', can: ['full access'] } })
    if (!judged.ok) return
    expect(judged.value.scope).toBe('2 domains: full access, since Resend has no key that can only read')
    expect(judged.value.excess).toContain('send mail')
    expect(judged.value.sites[1]).toEqual({ id: id(1), name: 'shop-1.example', timeZone: 'UTC' })
  })
  it('T5: refuses a key that can only send, and names the permission that reading takes', async () => {
    const restricted = { statusCode: 401, name: 'restricted_api_key', message: 'restricted' }
    expect(await probe(401, restricted)).toEqual({
      ok: false,
      code: 'credential_lacks_permission',
      permissions: ['Full access'],
    })
  })
  it.each([
    [401, { name: 'missing_api_key' }, 'credential_rejected'],
    [403, { name: 'invalid_api_key' }, 'credential_rejected'],
    [429, { name: 'rate_limit_exceeded' }, 'provider_rate_limited'],
    [500, undefined, 'provider_unreachable'],
    [200, { object: 'list' }, 'provider_unreachable'],
    [200, { object: 'list', has_more: false, data: [] }, 'credential_without_zones'],
  ])('takes %i with %j for %s', async (status, value, code) => {
    expect(await probe(status, value)).toEqual({ ok: false, code })
  })
})
