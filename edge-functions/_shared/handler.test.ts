import { StepUp } from 'domain/contracts/functions.ts'
import { describe, expect, test, vi } from 'vitest'
import { MAX_REQUEST_BYTES } from './bounded-body.ts'
import { Refused } from './errors.ts'
import { functionHandler } from './handler.ts'
import type { User } from './user.ts'

vi.spyOn(console, 'error').mockImplementation(() => {})
const ID = '4f9d6c3e-1d55-4b8e-9a2b-3c6a7e8f9a01'
const INPUT = { tenant_id: ID, action: 'credential.store', target_id: ID, request_digest: 'd'.repeat(43) }
const answering = (verifyUser: () => Promise<User>, act: () => Promise<unknown> = async () => ({ done: true })) =>
  functionHandler({ name: 'test', dashboardUrl: 'https://dashboard.test/', request: StepUp.request, verifyUser, act })
const someone = async () => ({}) as User
const nobody = async (): Promise<User> => {
  throw new Refused('user_token_invalid')
}

describe('every function', () => {
  test('answers a preflight without a user, and lets the browser send its three headers', async () => {
    const response = await answering(nobody)(new Request('http://f.test', { method: 'OPTIONS' }))
    expect(response.status).toBe(204)
    for (const name of ['authorization', 'idempotency-key', 'flarewatch-step-up']) {
      expect(response.headers.get('access-control-allow-headers')).toContain(name)
    }
  })

  test("lets the dashboard's pages alone read an answer", async () => {
    for (const request of [new Request('http://f.test', { method: 'OPTIONS' }), post(JSON.stringify(INPUT))]) {
      request.headers.set('origin', 'https://elsewhere.test')
      const { headers } = await answering(someone)(request)
      expect(headers.get('access-control-allow-origin')).toBe('https://dashboard.test')
    }
  })

  test.each(['aal2_required', 'aal2_stale', 'freshness_claimed'] as const)(
    'A3: %s carries the challenge of RFC 9470',
    async (code) => {
      const stale = answering(someone, async () => {
        throw new Refused(code)
      })
      const challenge = (await stale(post(JSON.stringify(INPUT)))).headers.get('www-authenticate')
      expect(challenge).toMatch(/^Bearer error="insufficient_user_authentication", .*acr_values="aal2", max_age="300"$/)
    },
  )

  test('judges the user before it looks at the body', async () => {
    expect(await codeOf(answering(nobody)(post('{"unfinished')))).toEqual([401, 'user_token_invalid'])
  })

  test.each([
    [405, 'method_not_allowed', new Request('http://f.test')],
    [413, 'request_too_large', post('x'.repeat(MAX_REQUEST_BYTES + 1))],
    [422, 'request_invalid', post('{"unfinished')],
    [422, 'request_invalid', post(JSON.stringify({ ...INPUT, surplus: 'hush' }))],
    [422, 'request_invalid', post(new Uint8Array([0x22, 0xff, 0x22]))],
  ])('%d %s', async (status, code, request) => {
    expect(await codeOf(answering(someone)(request))).toEqual([status, code])
  })

  test('V5: names the field that is wrong and never its value, also in its log', async () => {
    const response = await answering(someone)(post(JSON.stringify({ ...INPUT, action: 'cfut_hush' })))
    const text = await response.text()
    expect(text).toContain('Check: action.')
    expect(text + JSON.stringify(vi.mocked(console.error).mock.calls)).not.toContain('hush')
  })

  test('says "internal" of what it did not expect', async () => {
    const broken = answering(someone, async () => {
      throw new TypeError('cfut_hush is not a function')
    })
    expect(await codeOf(broken(post(JSON.stringify(INPUT))))).toEqual([500, 'internal'])
  })

  test('answers uncached', async () => {
    const response = await answering(someone)(post(JSON.stringify(INPUT)))
    expect(await response.json()).toEqual({ done: true })
    expect(response.headers.get('cache-control')).toBe('no-store')
  })
})

function post(body: BodyInit): Request {
  return new Request('http://f.test', { method: 'POST', body })
}

async function codeOf(answer: Promise<Response>): Promise<[number, string]> {
  const response = await answer
  const { error } = await response.json()
  return [response.status, error.code]
}
