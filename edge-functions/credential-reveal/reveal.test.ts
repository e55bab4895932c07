import { randomBytes, toBase64Url, utf8 } from 'domain/bytes.ts'
import { CredentialReveal } from 'domain/contracts/functions.ts'
import { sealRecord } from 'domain/envelope/record.ts'
import { operatorKeyOf } from 'domain/operator-key/key.ts'
import { hpkeHalf, operatorKeyId } from 'domain/operator-key/public-key.ts'
import { openReveal, pickupIdOf } from 'domain/operator-key/reveal.ts'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Call } from '../_shared/handler.ts'
import type { User } from '../_shared/user.ts'
import { type RevealParts, reveal } from './reveal.ts'

const TOKEN = `cfut_${'t'.repeat(36)}last`
const NOW = 1_800_000_000_000
const ROW = '6b1f8e5a-3f77-4da0-9c4d-5e8c9a0b1c23'
const RECORD = {
  tenantId: '4f9d6c3e-1d55-4b8e-9a2b-3c6a7e8f9a01',
  credentialId: '5a0e7d4f-2e66-4c9f-8b3c-4d7b8f9a0b12',
  dekVersion: 2,
}
const USER = {
  id: '7f3b1c1e-7c64-4f1c-8a53-0e1b3c2d4a5f',
  sessionId: '1c9fb0f4-2c8a-4a7e-9a70-6e5b6a0c7d11',
  aal: 'aal2',
  totpAt: NOW / 1000,
  jwt: 'user.jwt',
} as User

const subkey = randomBytes(32)
const key = await operatorKeyOf(randomBytes(32))
const pickupId = pickupIdOf(randomBytes(32))
const INPUT = CredentialReveal.request.parse({
  act: 'reveal',
  tenant_id: RECORD.tenantId,
  credential_id: RECORD.credentialId,
  key_id: operatorKeyId(key.publicKey),
  pickup_id: toBase64Url(pickupId),
}) as Call<Extract<typeof CredentialReveal.request._output, { act: 'reveal' }>>['input']
const ciphertext = await sealRecord({ subkey, context: RECORD, plaintext: utf8(TOKEN) })

type Asked = { readonly name: string; readonly request: Record<string, unknown> }
let calls: Asked[] = []
beforeEach(() => {
  calls = []
})

describe('a reveal in the function', () => {
  test('V7: what it hands on opens with the operator key alone, and it answers with nothing of it', async () => {
    const answer = await reveal(parts(), call())
    expect(answer).toEqual({ waiting: true })
    const { sealed = '' } = (asked('reveal-deliver')?.request ?? {}) as { sealed?: string }
    const context = { ...RECORD, pickupId }
    const bytes = Uint8Array.from(Buffer.from(sealed, 'base64url'))
    const opened = await openReveal({ privateKey: key.hpkePrivate, context, sealed: bytes })
    expect(opened.ok && new TextDecoder().decode(opened.value)).toBe(TOKEN)
    const stranger = await operatorKeyOf(randomBytes(32))
    expect((await openReveal({ privateKey: stranger.hpkePrivate, context, sealed: bytes })).ok).toBe(false)
  })

  test('V5: neither the plaintext nor the subkey is in anything that it sends', async () => {
    await reveal(parts(), call())
    const sent = JSON.stringify(calls)
    for (const secret of [TOKEN, toBase64Url(utf8(TOKEN)), toBase64Url(subkey)]) expect(sent).not.toContain(secret)
  })

  test('L1: the outcome row tells how it went, also when the record does not open', async () => {
    await reveal(parts(), call())
    expect(asked('settle')?.request).toMatchObject({ intent_row: ROW, succeeded: true, code: 'revealed' })
    calls = []
    const other = toBase64Url(ciphertext.with(-1 + ciphertext.length, (ciphertext.at(-1) ?? 0) ^ 1))
    await expect(reveal(parts(other), call())).rejects.toMatchObject({ code: 'not_openable' })
    expect(asked('reveal-deliver')).toBeUndefined()
    expect(asked('settle')?.request).toMatchObject({ succeeded: false, code: 'not_openable' })
  })

  test.each([
    ['aal2_required', { user: { ...USER, aal: 'aal1' } }],
    ['aal2_stale', { user: { ...USER, totpAt: NOW / 1000 - 301 } }],
    ['step_up_required', { headers: new Headers() }],
  ] as [string, Partial<ReturnType<typeof call>>][])('A3: %s: nothing is asked for', async (code, changed) => {
    await expect(reveal(parts(), { ...call(), ...changed })).rejects.toMatchObject({ code })
    expect(calls).toEqual([])
  })
})

function parts(record = toBase64Url(ciphertext)): RevealParts {
  const vault = async (name: string, request: Record<string, unknown>) => {
    calls.push({ name, request })
    if (name !== 'credential-reveal') return {}
    const operator_key = toBase64Url(hpkeHalf(key.publicKey))
    return { dek_version: RECORD.dekVersion, subkey: toBase64Url(subkey), operator_key, intent_row: ROW }
  }
  const store = async (name: string, request: Record<string, unknown>) => {
    calls.push({ name, request })
    return { dek_version: RECORD.dekVersion, ciphertext: record }
  }
  return { vault, store } as unknown as RevealParts
}

function call() {
  const headers = new Headers({ 'flarewatch-step-up': 'fwsu_x' })
  return { input: INPUT, user: USER, headers, requestId: crypto.randomUUID(), now: NOW }
}

function asked(name: string): Asked | undefined {
  return calls.find((made) => made.name === name)
}
