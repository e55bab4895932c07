import { createServer, type Server } from 'node:http'
import { fromBase64Url, toBase64Url } from 'domain/bytes.ts'
import { CredentialStore } from 'domain/contracts/functions.ts'
import { openRecord } from 'domain/envelope/record.ts'
import type { ApiUrls } from 'domain/providers/registry.ts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startResendSimulator } from '../../local/simulators/resend/simulator.ts'
import { startSupabaseSimulator } from '../../local/simulators/supabase/simulator.ts'
import type { TokenScope } from '../../local/simulators/supabase/tokens.ts'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import type { User } from '../_shared/user.ts'
import { type DepositParts, deposit } from './deposit.ts'

const TOKEN = `cfut_${'t'.repeat(36)}last`
const INPUT = CredentialStore.request.parse({
  tenant_id: '4f9d6c3e-1d55-4b8e-9a2b-3c6a7e8f9a01',
  credential_id: '5a0e7d4f-2e66-4c9f-8b3c-4d7b8f9a0b12',
  provider: 'cloudflare',
  label: 'Main',
  secret: TOKEN,
})
const NOW = 1_800_000_000_000
const SUBKEY = new Uint8Array(32).fill(7)
const USER = {
  id: '7f3b1c1e-7c64-4f1c-8a53-0e1b3c2d4a5f',
  sessionId: '1c9fb0f4-2c8a-4a7e-9a70-6e5b6a0c7d11',
  aal: 'aal2',
  totpAt: NOW / 1000,
  jwt: 'user.jwt',
} as User

const Sealed = z.object({ ciphertext: z.string() })
type Asked = { name: string; request: Record<string, unknown> }
let provider: Server
let providerUrl: string
let calls: Asked[] = []
let answerOfStore: (asked: Asked) => unknown

beforeAll(async () => {
  provider = createServer((request, response) => {
    const zones = [{ id: '1'.repeat(32), name: 'site.example', permissions: ['#zone:read'] }]
    const result = request.url?.startsWith('/zones') ? zones : { id: 't', status: 'active' }
    response.end(JSON.stringify({ success: true, result }))
  })
  await new Promise<void>((listening) => provider.listen(0, '127.0.0.1', listening))
  const address = provider.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  providerUrl = `http://127.0.0.1:${address.port}`
})
afterAll(() => provider.close())
beforeEach(() => {
  calls = []
  answerOfStore = ({ name, request }) => (name === 'idempotent_response' ? null : stored(request))
})

describe('a deposit', () => {
  test('V1: what is stored opens with the released subkey alone, and the plaintext goes nowhere else', async () => {
    await deposit(parts(), call())
    const { credential } = z.object({ credential: Sealed }).parse(asked('store_credential')?.request)
    const sealed = fromBase64Url(credential.ciphertext)
    if (!sealed.ok) throw new Error('not base64url')
    const context = { tenantId: INPUT.tenant_id, credentialId: INPUT.credential_id, dekVersion: 1 }
    const opened = await openRecord({ subkey: SUBKEY, context, sealed: sealed.value })
    expect(opened.ok && new TextDecoder().decode(opened.value)).toBe(TOKEN)
    expect(JSON.stringify(calls)).not.toContain(TOKEN)
  })

  test('L1: the outcome row tells how it went, also when the store refuses', async () => {
    await deposit(parts(), call())
    expect(asked('settle')?.request).toMatchObject({ succeeded: true, code: 'stored' })
    calls = []
    answerOfStore = ({ name }) => {
      if (name === 'idempotent_response') return null
      throw new Refused('credential_exists')
    }
    await expect(deposit(parts(), call())).rejects.toMatchObject({ code: 'credential_exists' })
    expect(asked('settle')?.request).toMatchObject({ succeeded: false, code: 'credential_exists' })
  })

  test.each([
    ['credential_malformed', { secret: 'short' }],
    ['credential_global_key', { secret: `cfk_${'a'.repeat(40)}` }],
    ['credential_global_key', { secret: 'a'.repeat(37) }],
  ])('T5: %s is judged before anything is asked', async (code, changed) => {
    await expect(deposit(parts(), call({ input: { ...INPUT, ...changed } }))).rejects.toMatchObject({ code })
    expect(calls).toEqual([])
  })

  test.each([
    ['aal2_required', { user: { ...USER, aal: 'aal1' } }],
    ['idempotency_key_required', { headers: new Headers() }],
    ['aal2_stale', { user: { ...USER, totpAt: NOW / 1000 - 301 } }],
    ['step_up_required', { headers: new Headers({ 'idempotency-key': crypto.randomUUID() }) }],
  ] as [string, Partial<Call<typeof INPUT>>][])('%s: no key is released', async (code, changed) => {
    await expect(deposit(parts(), call(changed))).rejects.toMatchObject({ code })
    expect(asked('credential-seal')).toBeUndefined()
  })

  test('a repeated request is answered from the first, and its step-up token is not asked for again', async () => {
    const earlier = stored({
      credential: {
        id: INPUT.credential_id,
        provider: 'cloudflare',
        label: 'Main',
        last4: 'last',
        scope: '1 zone',
        grade: 'read_only',
      },
    })
    answerOfStore = () => ({ response: earlier })
    expect(await deposit(parts(), call())).toEqual(earlier)
    expect(asked('credential-seal')).toBeUndefined()
  })

  test('the digest of a request tells requests apart and holds no more of the secret than its last four characters', async () => {
    const digestOf = async (changed: Partial<typeof INPUT>) => {
      calls = []
      await deposit(parts(), call({ input: { ...INPUT, ...changed } }))
      return asked('idempotent_response')?.request.request_digest
    }
    const digest = await digestOf({})
    expect(await digestOf({ secret: `cfut_${'u'.repeat(36)}last` })).toBe(digest)
    expect(await digestOf({ secret: `cfut_${'t'.repeat(36)}tail` })).not.toBe(digest)
    expect(await digestOf({ label: 'Other' })).not.toBe(digest)
  })
})

describe('a deposit of a Resend key', () => {
  const depositAs = async (permission: 'full_access' | 'sending_access') => {
    const resend = await startResendSimulator({ seed: 1, log: () => {} })
    const secret = resend.issueKey(permission)
    const input = { ...INPUT, provider: 'resend', secret } as const
    try {
      await deposit(parts({ RESEND_API_URL: resend.apiUrl }), call({ input }))
    } finally {
      await resend.stop()
    }
  }

  test('T5: with full access is stored as over-scoped, with its domains as sites and the reason in words', async () => {
    await depositAs('full_access')
    const request = asked('store_credential')?.request
    const scope = '3 domains: full access, since Resend has no key that can only read'
    expect(request).toMatchObject({ credential: { provider: 'resend', grade: 'over_scoped', scope } })
    expect(request?.sites).toHaveLength(3)
  })

  test('T5: that can only send is refused with the permission that it lacks, and no key is released', async () => {
    await expect(depositAs('sending_access')).rejects.toMatchObject({
      code: 'credential_lacks_permission',
      about: { permissions: ['Full access'] },
    })
    expect(asked('credential-seal')).toBeUndefined()
  })
})

describe('a deposit of a Supabase token', () => {
  const depositAs = async (scope: TokenScope) => {
    const supabase = await startSupabaseSimulator({ seed: 1, log: () => {} })
    const input = { ...INPUT, provider: 'supabase', secret: supabase.issueToken(scope) } as const
    try {
      await deposit(parts({ CLIENT_SUPABASE_API_URL: supabase.apiUrl }), call({ input }))
    } finally {
      await supabase.stop()
    }
  }

  test('T5: of the classic kind is stored as over-scoped, with its projects as sites and the warning in words', async () => {
    await depositAs('classic')
    const request = asked('store_credential')?.request
    const scope = '3 projects: a classic token, which may do everything that its user may'
    expect(request).toMatchObject({ credential: { provider: 'supabase', grade: 'over_scoped', scope } })
    expect(request?.sites).toHaveLength(3)
  })

  test('T5: that may read no database is refused with the permission that it lacks, and no key is released', async () => {
    await expect(depositAs('projects_alone')).rejects.toMatchObject({
      code: 'credential_lacks_permission',
      about: { permissions: ['Database: Read'] },
    })
    expect(asked('credential-seal')).toBeUndefined()
  })
})

function parts(urls: Partial<ApiUrls> = {}): DepositParts {
  const vault = async (name: string, request: Record<string, unknown>) => {
    calls.push({ name, request })
    if (name === 'settle') return {}
    const wrap = { kek_version: 1, wrapped_dek: 'w'.repeat(80), dek_version: 1, salt: 's'.repeat(43) }
    return { ...wrap, subkey: toBase64Url(SUBKEY), intent_row: '6b1f8e5a-3f77-4da0-9c4d-5e8c9a0b1c23' }
  }
  const store = async (name: string, request: Record<string, unknown>) => {
    calls.push({ name, request })
    return answerOfStore({ name, request })
  }
  return {
    vault,
    store,
    apiUrls: {
      CLIENT_SUPABASE_API_URL: providerUrl,
      CLOUDFLARE_API_URL: providerUrl,
      RESEND_API_URL: providerUrl,
      STRIPE_API_URL: providerUrl,
      ...urls,
    },
  } as unknown as DepositParts
}

function call(changed: Partial<Call<typeof INPUT>> = {}): Call<typeof INPUT> {
  const headers = new Headers({ 'idempotency-key': crypto.randomUUID(), 'flarewatch-step-up': 'fwsu_x' })
  return { input: INPUT, user: USER, headers, requestId: crypto.randomUUID(), now: NOW, ...changed }
}

function asked(name: string): Asked | undefined {
  return calls.find((made) => made.name === name)
}

function stored(request: Record<string, unknown>): unknown {
  return { credential: request.credential, sites: [] }
}
