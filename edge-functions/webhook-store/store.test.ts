import { toBase64Url } from 'domain/bytes.ts'
import { WebhookStore } from 'domain/contracts/functions.ts'
import { expect, test } from 'vitest'
import type { Call } from '../_shared/handler.ts'
import type { User } from '../_shared/user.ts'
import { storeWebhookSecret, type WebhookStoreParts } from './store.ts'

const NOW = 1_800_000_000_000
const SECRET = `whsec_${'a1B2c3D4'.repeat(4)}`
const INPUT = WebhookStore.request.parse({
  tenant_id: '4f9d6c3e-1d55-4b8e-9a2b-3c6a7e8f9a01',
  credential_id: '5a0e7d4f-2e66-4c9f-8b3c-4d7b8f9a0b12',
  webhook_of: '6b1f8e5a-3f77-4da0-9c4d-5e8c9a0b1c23',
  endpoint_id: 'q83vASNFZ4mrze8BI0VniQ',
  provider: 'stripe',
  label: 'Main account',
  secret: SECRET,
})
const USER = { id: '7f3b1c1e-7c64-4f1c-8a53-0e1b3c2d4a5f', aal: 'aal2', totpAt: NOW / 1000, jwt: 'user.jwt' } as User

type Asked = { readonly name: string; readonly request: Record<string, unknown> }

function stand() {
  const asked: Asked[] = []
  const vault = async (name: string, request: Record<string, unknown>) => {
    asked.push({ name, request })
    if (name === 'settle') return {}
    const wrap = { kek_version: 1, wrapped_dek: 'w'.repeat(80), dek_version: 1, salt: 's'.repeat(43) }
    return { ...wrap, subkey: toBase64Url(new Uint8Array(32).fill(7)), intent_row: INPUT.webhook_of, replaces: null }
  }
  const store = async (name: string, request: Record<string, unknown>) => {
    asked.push({ name, request })
    if (name === 'idempotent_response') return null
    return {
      credential: { id: INPUT.credential_id, last4: 'c3D4' },
      endpoint: { id: request.endpoint_id, provider: 'stripe' },
    }
  }
  const parts = { vault, store } as unknown as WebhookStoreParts
  return { parts, requestOf: (name: string) => asked.find((one) => one.name === name)?.request, asked }
}

function call(changed: Partial<Call<typeof INPUT>> = {}): Call<typeof INPUT> {
  const headers = new Headers({ 'idempotency-key': crypto.randomUUID(), 'flarewatch-step-up': 'fwsu_x' })
  return { input: INPUT, user: USER, headers, requestId: crypto.randomUUID(), now: NOW, ...changed }
}

test('V5 L1: a signing secret is sealed where it is taken, between intent and outcome, and goes nowhere in the clear', async () => {
  const { parts, requestOf, asked } = stand()
  const { endpoint } = await storeWebhookSecret(parts, call())
  expect(endpoint.id).toBe(INPUT.endpoint_id)
  expect(requestOf('credential-seal')).toMatchObject({ action: 'credential.store', provider: 'stripe' })
  const { credential } = requestOf('store_webhook_secret') ?? {}
  expect(credential).toMatchObject({ webhook_of: INPUT.webhook_of, label: 'Main account', last4: 'c3D4' })
  expect(requestOf('settle')).toMatchObject({ succeeded: true, code: 'stored' })
  expect(JSON.stringify(asked)).not.toContain(SECRET)
})

test.each(['short', 'q83vASNFZ4mrze8BI0VniR', `${'A'.repeat(21)}=`])(
  'an address of other than 128 bits is none: %s',
  (endpoint_id) => {
    expect(WebhookStore.request.safeParse({ ...INPUT, endpoint_id }).success).toBe(false)
  },
)

test.each([
  ['credential_malformed', { input: { ...INPUT, secret: `rk_live_${'a'.repeat(40)}` } }],
  ['aal2_required', { user: { ...USER, aal: 'aal1' } }],
  ['aal2_stale', { user: { ...USER, totpAt: NOW / 1000 - 301 } }],
  ['step_up_required', { headers: new Headers({ 'idempotency-key': crypto.randomUUID() }) }],
] as [string, Partial<Call<typeof INPUT>>][])('T5 A4: %s, and no key is released', async (code, changed) => {
  const { parts, requestOf } = stand()
  await expect(storeWebhookSecret(parts, call(changed))).rejects.toMatchObject({ code })
  expect(requestOf('credential-seal')).toBeUndefined()
})
