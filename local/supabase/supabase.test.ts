import { createServer } from 'node:http'
import { createClient } from '@supabase/supabase-js'
import { decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { closeServer, listenOnLoopback } from '../functions/loopback.ts'
import { claimsOf, codeNow, enrolled, openStand, type Stand, signUp } from './stand.ts'

let stand: Stand
beforeAll(async () => {
  stand = await openStand()
})
afterAll(() => stand.stop())

describe('accounts, by unmodified supabase-js', () => {
  test('signs up and signs in with a password: A2, at AAL1 with the time of the password', async () => {
    const { email, password } = await signUp(stand)
    const client = stand.client()
    const before = Math.floor(Date.now() / 1000)
    const { data, error } = await client.auth.signInWithPassword({ email, password })
    expect(error).toBeNull()
    const claims = await claimsOf(client)
    expect(claims).toMatchObject({
      iss: stand.supabase.issuer,
      aud: 'authenticated',
      role: 'authenticated',
      sub: data.user?.id,
      email,
      aal: 'aal1',
      amr: [{ method: 'password' }],
    })
    expect(claims.amr[0]?.timestamp).toBeGreaterThanOrEqual(before)
    expect(claims.amr[0]?.timestamp).toBeLessThanOrEqual(before + 5)
    expect(data.user?.created_at).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
  })

  test('a wrong password, a short one and a taken address are refused with the hosted codes', async () => {
    const { email } = await signUp(stand)
    const client = stand.client()
    const wrong = await client.auth.signInWithPassword({ email, password: 'not the password' })
    expect(wrong.error?.code).toBe('invalid_credentials')
    const short = await client.auth.signUp({ email: 'short@example.test', password: 'short' })
    expect(short.error?.code).toBe('weak_password')
    const taken = await client.auth.signUp({ email, password: 'another password' })
    expect(taken.error?.code).toBe('user_already_exists')
  })

  test('user metadata is stored as an object', async () => {
    const client = stand.client()
    await client.auth.signUp({
      email: 'meta@example.test',
      password: 'correct horse battery',
      options: { data: { name: 'Ada' } },
    })
    const { data } = await client.auth.getUser()
    expect(data.user?.user_metadata).toMatchObject({ name: 'Ada' })
    const rows = await stand.sql`
      select jsonb_typeof(raw_user_meta_data) as kind from auth.users where email = 'meta@example.test'`
    expect(rows).toEqual([{ kind: 'object' }])
  })

  test('tokens are ES256 with a key id of the published key set, and getClaims verifies them without asking the server', async () => {
    const { client } = await signUp(stand)
    const { data } = await client.auth.getSession()
    const header = decodeProtectedHeader(data.session?.access_token ?? '')
    const jwks = (await (await fetch(stand.supabase.jwksUrl)).json()) as { keys: Record<string, unknown>[] }
    expect(header).toMatchObject({ alg: 'ES256', kid: jwks.keys[0]?.kid })
    expect(jwks.keys[0]).not.toHaveProperty('d')
    const asked: string[] = []
    const watching = createClient(stand.supabase.url, stand.supabase.publishableKey, {
      // A storage key of its own, since auth-js caches key sets by it.
      auth: { persistSession: false, autoRefreshToken: false, storageKey: 'watching' },
      global: {
        fetch: (input, init) => {
          asked.push(new URL(String(input)).pathname)
          return fetch(input, init)
        },
      },
    })
    const { error } = await watching.auth.getClaims(data.session?.access_token)
    expect(error).toBeNull()
    expect(asked).toEqual(['/auth/v1/.well-known/jwks.json'])
  })

  test('a token that was changed, and one signed with the published key as an HMAC secret, are refused', async () => {
    const { client } = await signUp(stand)
    const { data } = await client.auth.getSession()
    const [header, payload, signature] = (data.session?.access_token ?? '').split('.')
    const forged = Buffer.from(payload ?? '', 'base64url')
      .toString()
      .replace('aal1', 'aal2')
    for (const token of [
      `${header}.${Buffer.from(forged).toString('base64url')}.${signature}`,
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`,
    ]) {
      const { error } = await client.auth.getUser(token)
      expect(error?.code).toBe('bad_jwt')
    }
  })

  test('signing out ends the session at once', async () => {
    const { client } = await signUp(stand)
    const { data } = await client.auth.getSession()
    await client.auth.signOut()
    const { error } = await stand.client().auth.getUser(data.session?.access_token)
    expect(error?.name).toBe('AuthSessionMissingError')
    const refreshed = await stand.client().auth.refreshSession({ refresh_token: data.session?.refresh_token ?? '' })
    expect(refreshed.error).not.toBeNull()
  })

  test('without an API key, or with a wrong one, nothing but the key set answers', async () => {
    const at = (path: string, headers = {}) => fetch(`${stand.supabase.url}${path}`, { headers })
    expect((await at('/auth/v1/settings')).status).toBe(401)
    expect((await at('/auth/v1/settings', { apikey: 'sb_publishable_wrong' })).status).toBe(401)
    expect((await at('/auth/v1/settings', { apikey: stand.supabase.publishableKey })).status).toBe(200)
    expect((await at('/auth/v1/.well-known/openid-configuration')).status).toBe(200)
  })

  test('a browser of another origin may ask', async () => {
    const response = await fetch(`${stand.supabase.url}/auth/v1/token?grant_type=password`, {
      method: 'OPTIONS',
      headers: {
        origin: 'http://127.0.0.1:1',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'apikey,authorization,content-type,x-client-info',
      },
    })
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-allow-headers')).toContain('apikey')
  })
})

describe('TOTP, by unmodified supabase-js', () => {
  test('A1: a new account has no factor; it enrols one by QR code, secret or address, and verifying it gives AAL2', async () => {
    const { client, email } = await signUp(stand)
    const none = await client.auth.mfa.listFactors()
    expect(none.data?.all).toEqual([])
    const { data, error } = await client.auth.mfa.enroll({
      factorType: 'totp',
      friendlyName: 'phone',
      issuer: 'Flarewatch',
    })
    if (error !== null) throw error
    expect(data.totp.qr_code).toMatch(/^data:image\/svg\+xml;utf-8,<svg /)
    expect(data.totp.secret).toMatch(/^[A-Z2-7]{32}$/)
    expect(data.totp.uri).toContain(`secret=${data.totp.secret}`)
    expect(decodeURIComponent(data.totp.uri)).toContain(`Flarewatch:${email}`)
    const unverified = await client.auth.mfa.listFactors()
    expect(unverified.data?.totp).toEqual([])
    expect(unverified.data?.all).toMatchObject([{ id: data.id, status: 'unverified', friendly_name: 'phone' }])

    const code = codeNow(stand, data.totp.secret)
    const verified = await client.auth.mfa.challengeAndVerify({ factorId: data.id, code })
    expect(verified.error).toBeNull()
    expect(await claimsOf(client)).toMatchObject({ aal: 'aal2', amr: [{ method: 'totp' }, { method: 'password' }] })
    const listed = await client.auth.mfa.listFactors()
    expect(listed.data?.totp).toMatchObject([{ id: data.id, status: 'verified', factor_type: 'totp' }])
    expect(JSON.stringify(listed.data)).not.toContain(data.totp.secret)
  })

  test('A3: amr carries the second of the TOTP, a refresh keeps it and AAL2, a new code moves it', async () => {
    const { client, secret, factorId } = await enrolled(stand)
    const first = await claimsOf(client)
    const totpAt = first.amr.find(({ method }) => method === 'totp')?.timestamp ?? 0
    expect(Math.abs(totpAt - (Date.now() + stand.clock.offset) / 1000)).toBeLessThan(10)

    stand.clock.offset += 600_000
    const { error } = await client.auth.refreshSession()
    expect(error).toBeNull()
    const refreshed = await claimsOf(client)
    expect(refreshed).toMatchObject({ aal: 'aal2', session_id: first.session_id, amr: first.amr })
    expect(refreshed.iat).toBeGreaterThanOrEqual(first.iat + 600)

    await client.auth.mfa.challengeAndVerify({ factorId, code: codeNow(stand, secret) })
    const again = await claimsOf(client)
    expect(again.amr.find(({ method }) => method === 'totp')?.timestamp).toBeGreaterThanOrEqual(totpAt + 600)
    expect(again.amr.find(({ method }) => method === 'password')).toEqual(
      first.amr.find(({ method }) => method === 'password'),
    )
  })

  test('A2: AAL2 and enrolled factors survive a restart of the gateway', async () => {
    const { client, factorId } = await enrolled(stand)
    const before = await claimsOf(client)
    await stand.restart()
    const { error } = await client.auth.refreshSession()
    expect(error).toBeNull()
    expect(await claimsOf(client)).toMatchObject({ aal: 'aal2', amr: before.amr, session_id: before.session_id })
    expect((await client.auth.mfa.listFactors()).data?.totp).toMatchObject([{ id: factorId }])
  })

  test('a wrong code is refused, changes nothing, and the right one still works', async () => {
    const { client } = await signUp(stand)
    const { data } = await client.auth.mfa.enroll({ factorType: 'totp' })
    const factorId = data?.id ?? ''
    const secret = data?.totp.secret ?? ''
    const right = codeNow(stand, secret)
    const wrong = String((Number(right) + 1) % 1_000_000).padStart(6, '0')
    for (const code of [wrong, 'abcdef', codeNow(stand, secret, 4)]) {
      const refused = await client.auth.mfa.challengeAndVerify({ factorId, code })
      expect(refused.error).toMatchObject({ status: 422, code: 'mfa_verification_failed' })
    }
    expect(await claimsOf(client)).toMatchObject({ aal: 'aal1', amr: [{ method: 'password' }] })
    expect((await client.auth.mfa.challengeAndVerify({ factorId, code: right })).error).toBeNull()
  })

  test('A3: a code of one step before or after is taken, and a used code signs in again, as hosted', async () => {
    const { client, secret, factorId } = await enrolled(stand)
    for (const steps of [-1, 1, 0, 0]) {
      const { error } = await client.auth.mfa.challengeAndVerify({ factorId, code: codeNow(stand, secret, steps) })
      expect(error).toBeNull()
    }
  })

  test('a challenge serves once, and for five minutes', async () => {
    const { client, secret, factorId } = await enrolled(stand)
    const { data } = await client.auth.mfa.challenge({ factorId })
    const challengeId = data?.id ?? ''
    const first = await client.auth.mfa.verify({ factorId, challengeId, code: codeNow(stand, secret) })
    expect(first.error).toBeNull()
    const second = await client.auth.mfa.verify({ factorId, challengeId, code: codeNow(stand, secret) })
    expect(second.error).toMatchObject({ status: 422 })
    const late = await client.auth.mfa.challenge({ factorId })
    stand.clock.offset += 301_000
    const expired = await client.auth.mfa.verify({
      factorId,
      challengeId: late.data?.id ?? '',
      code: codeNow(stand, secret),
    })
    expect(expired.error).toMatchObject({ status: 422, code: 'mfa_challenge_expired' })
  })

  test('A1: a session opened with the password alone can neither add, remove nor use another person’s factor', async () => {
    const owner = await enrolled(stand)
    const passwordOnly = stand.client()
    await passwordOnly.auth.signInWithPassword({ email: owner.email, password: owner.password })
    const added = await passwordOnly.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'thief' })
    expect(added.error).toMatchObject({ status: 403, code: 'insufficient_aal' })
    const removed = await passwordOnly.auth.mfa.unenroll({ factorId: owner.factorId })
    expect(removed.error).toMatchObject({ status: 422, code: 'insufficient_aal' })
    const changed = await passwordOnly.auth.updateUser({ password: 'a thief was here' })
    expect(changed.error).toMatchObject({ status: 401, code: 'insufficient_aal' })
    const { client: outsider } = await signUp(stand)
    const foreign = await outsider.auth.mfa.challenge({ factorId: owner.factorId })
    expect(foreign.error).toMatchObject({ status: 404, code: 'mfa_factor_not_found' })
  })

  test('verifying a factor ends the sessions that were opened without it', async () => {
    const owner = await enrolled(stand)
    const passwordOnly = stand.client()
    await passwordOnly.auth.signInWithPassword({ email: owner.email, password: owner.password })
    await owner.client.auth.mfa.challengeAndVerify({ factorId: owner.factorId, code: codeNow(stand, owner.secret) })
    expect((await passwordOnly.auth.getUser()).error?.name).toBe('AuthSessionMissingError')
    expect((await owner.client.auth.getUser()).error).toBeNull()
  })

  test('removing the factor takes AAL2 along at the next refresh', async () => {
    const { client, factorId } = await enrolled(stand)
    expect((await client.auth.mfa.unenroll({ factorId })).error).toBeNull()
    await client.auth.refreshSession()
    expect(await claimsOf(client)).toMatchObject({ aal: 'aal1', amr: [{ method: 'password' }] })
    expect((await client.auth.mfa.listFactors()).data?.all).toEqual([])
  })

  test('the admin’s calls remove a factor with the secret key alone, and its sessions fall to AAL1', async () => {
    const { client } = await enrolled(stand)
    const { sub: userId } = await claimsOf(client)
    const publishable = await stand.client().auth.admin.mfa.listFactors({ userId })
    expect(publishable.error).toMatchObject({ code: 'not_admin' })
    const { mfa } = stand.client(stand.supabase.secretKey).auth.admin
    const id = (await mfa.listFactors({ userId })).data?.factors[0]?.id ?? ''
    expect((await stand.client().auth.admin.mfa.deleteFactor({ userId, id })).error).toMatchObject({
      code: 'not_admin',
    })
    expect((await mfa.deleteFactor({ userId, id })).error).toBeNull()
    expect((await mfa.deleteFactor({ userId, id })).error).toMatchObject({ code: 'mfa_factor_not_found' })
    await client.auth.refreshSession()
    expect((await claimsOf(client)).aal).toBe('aal1')
  })
})

describe('the way to the Edge Functions', () => {
  test('passes a request on as it is, with credentials only, and says so when there is nobody', async () => {
    const host = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      response
        .writeHead(418, { 'flarewatch-seen': `${request.method} ${request.url} ${request.headers.apikey}` })
        .end(body)
    })
    const key = stand.supabase.publishableKey
    const call = (headers: Record<string, string>, method = 'POST') =>
      fetch(`${stand.supabase.url}/functions/v1/name?a=1`, {
        method,
        headers,
        ...(method === 'POST' ? { body: 'body' } : {}),
      })
    expect((await call({ apikey: key })).status).toBe(503)
    stand.supabase.setFunctionsUrl(await listenOnLoopback(host, 0))
    const answer = await call({ apikey: key })
    expect(answer.status).toBe(418)
    expect(answer.headers.get('flarewatch-seen')).toBe(`POST /name?a=1 ${key}`)
    expect(await answer.text()).toBe('body')
    expect((await call({})).status).toBe(401)
    expect((await call({}, 'OPTIONS')).status).toBe(418)
    const invoked = await stand.client().functions.invoke('name', { body: { a: 1 } })
    expect(invoked.error?.name).toBe('FunctionsHttpError')
    await closeServer(host)
    expect((await call({ apikey: key })).status).toBe(503)
  })
})
