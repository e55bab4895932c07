import { afterEach, expect, test, vi } from 'vitest'
import { ConfigResponse } from './schemas.ts'
import { requestJson } from './wire.ts'

afterEach(() => vi.unstubAllGlobals())

function answering(make: () => Response | Promise<Response>): void {
  vi.stubGlobal('fetch', async () => make())
}
const ask = () => requestJson('/api/config', ConfigResponse, {})
const config = { supabase_url: 'https://project.example', publishable_key: 'sb_publishable_x' }

test('what fits the contract is the value', async () => {
  answering(() => Response.json(config))
  expect(await ask()).toEqual({ ok: true, value: config })
})

test('a refusal keeps its code and its reference', async () => {
  answering(() => Response.json({ error: { code: 'aal2_stale', message: 'x', request_id: 'r-1' } }, { status: 403 }))
  expect(await ask()).toEqual({
    ok: false,
    failure: { code: 'aal2_stale', requestId: 'r-1', challenged: false, permissions: [] },
  })
})

test('T5: what a refused key may not be allowed comes with the refusal', async () => {
  const permissions = ['Charges: Write']
  const error = { code: 'credential_can_write', message: 'x', request_id: 'r-1', permissions }
  answering(() => Response.json({ error }, { status: 422 }))
  expect(await ask()).toMatchObject({ failure: { code: 'credential_can_write', permissions } })
})

test('A3: an answer that asks for a code says so by the challenge of RFC 9470', async () => {
  const challenge = 'Bearer error="insufficient_user_authentication", acr_values="aal2", max_age="300"'
  const headers = { 'www-authenticate': challenge }
  const body = { error: { code: 'aal2_stale', message: 'x', request_id: 'r-1' } }
  answering(() => Response.json(body, { status: 403, headers }))
  expect(await ask()).toMatchObject({ failure: { code: 'aal2_stale', challenged: true, permissions: [] } })
})

test.each([
  ['another shape', () => Response.json({ supabase_url: 'no address' })],
  ['no JSON', () => new Response('<html>')],
  ['a refusal that is not ours', () => new Response('<html>', { status: 404 })],
  ['more than a page ever needs', () => new Response(new Uint8Array(4_000_001))],
])('%s is an answer that could not be read', async (_name, make) => {
  answering(make)
  expect(await ask()).toEqual({
    ok: false,
    failure: { code: 'answer_invalid', requestId: null, challenged: false, permissions: [] },
  })
})

test('an error page of something between is a server that is away', async () => {
  answering(() => new Response('<html>', { status: 502 }))
  expect(await ask()).toEqual({
    ok: false,
    failure: { code: 'server_unavailable', requestId: null, challenged: false, permissions: [] },
  })
})

test('no answer at all is told apart', async () => {
  answering(() => Promise.reject(new TypeError('fetch failed')))
  expect(await ask()).toEqual({
    ok: false,
    failure: { code: 'network', requestId: null, challenged: false, permissions: [] },
  })
})
