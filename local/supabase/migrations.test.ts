import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { claimsOf, codeNow, enrolled, openStand, type Stand, signUp } from './stand.ts'

/** The gateway on the project's own migrations: what it stores about factors is what the policies read. */
let stand: Stand
let asGateway: postgres.Sql
beforeAll(async () => {
  stand = await openStand('ours')
  asGateway = postgres(stand.urlFor('flarewatch_gateway'), { max: 1 })
})
afterAll(async () => {
  await asGateway.end()
  await stand.stop()
})

async function tenantsSeenBy(claims: Record<string, unknown>): Promise<string[]> {
  const rows = await asGateway.begin(async (tx) => {
    const bound = { ...claims, at: new Date() }
    await tx`select flarewatch.bind_claims(${tx.json(JSON.parse(JSON.stringify(bound)))})`
    return await tx<{ name: string }[]>`select name from flarewatch.tenants`
  })
  return rows.map(({ name }) => name)
}

test('A1: a member sees no tenant, in SQL too, until a TOTP factor is verified', async () => {
  const { client } = await signUp(stand)
  const claims = await claimsOf(client)
  const tenant_id = randomUUID()
  const functions = stand.client(stand.supabase.secretKey).schema('privileged')
  const begun = await functions.rpc('begin_tenant', {
    request: {
      tenant_id,
      name: 'Agency',
      user_id: claims.sub,
      audit_key: { version: 1, kek_version: 1, wrapped_key: randomBytes(60).toString('base64url') },
    },
  })
  expect(begun.error).toBeNull()
  expect(await tenantsSeenBy({ ...claims, tenant_id })).toEqual([])

  const { data } = await client.auth.mfa.enroll({ factorType: 'totp' })
  expect(await tenantsSeenBy({ ...claims, tenant_id })).toEqual([])
  const factorId = data?.id ?? ''
  await client.auth.mfa.challengeAndVerify({ factorId, code: codeNow(stand, data?.totp.secret ?? '') })
  expect(await tenantsSeenBy({ ...claims, tenant_id })).toEqual(['Agency'])

  await client.auth.mfa.unenroll({ factorId })
  expect(await tenantsSeenBy({ ...claims, tenant_id })).toEqual([])
})

test('a refusal of a privileged function arrives as its stable code', async () => {
  const functions = stand.client(stand.supabase.secretKey).schema('privileged')
  const { error, status } = await functions.rpc('activate_tenant', {
    request: { tenant_id: randomUUID(), user_id: randomUUID(), dek: { version: 1, kek_version: 1, wrapped_dek: '' } },
  })
  expect(status).toBe(400)
  expect(error).toMatchObject({ code: 'FW002', message: 'not_a_member' })
})

test('T4: service_role, anon and authenticated hold no grant on any table of flarewatch', async () => {
  const grants = await stand.sql`
    select table_name, grantee from information_schema.role_table_grants
    where grantee in ('anon', 'authenticated', 'service_role', 'PUBLIC') and table_schema in ('flarewatch', 'privileged')`
  expect(grants).toEqual([])
})

test('a session that supabase-js ended is dead at the next statement, and not when its token runs out', async () => {
  const { client } = await enrolled(stand)
  const { sub, session_id, aal } = await claimsOf(client)
  const states = () =>
    asGateway.begin(async (tx) => {
      await tx`select flarewatch.bind_claims(${tx.json({ sub, session_id, aal, at: new Date().toISOString() })})`
      const rows = await tx`select state, (select count(*)::int from flarewatch.own_sessions()) as listed
        from flarewatch.claim_session()`
      return [...rows]
    })
  expect(await states()).toEqual([{ state: 'live', listed: 1 }])
  await client.auth.signOut({ scope: 'global' })
  expect(await states()).toEqual([{ state: 'ended', listed: 0 }])
})

test('a session begins by the stack’s clock, and is kept with device and address', async () => {
  stand.clock.offset = 3 * 86_400_000
  const { client } = await signUp(stand)
  stand.clock.offset = 0
  const { session_id } = await claimsOf(client)
  const [row] =
    await stand.sql`select created_at, user_agent, host(ip) as ip from auth.sessions where id = ${session_id}`
  expect(Math.abs(row?.created_at.getTime() - Date.now() - 3 * 86_400_000)).toBeLessThan(60_000)
  expect(row?.user_agent).toEqual(expect.any(String))
  expect(row?.ip).toMatch(/^(::ffff:)?127\.0\.0\.1$/)
})

describe('failed attempts', () => {
  const signIn = async (email: string, password: string) => {
    const response = await fetch(`${stand.supabase.url}/auth/v1/token?grant_type=password`, {
      method: 'POST',
      headers: { apikey: stand.supabase.publishableKey, 'content-type': 'application/json' },
      body: JSON.stringify({ email, password }),
    })
    const text = await response.text()
    return response.ok ? 'signed in' : `${response.status} ${text}`
  }

  test('a wrong password, an unknown address and a try that came too early get the same answer', async () => {
    const { email, password } = await signUp(stand)
    const unknown = await signIn('nobody@example.test', password)
    expect(unknown).toMatch(/^400 .*invalid_credentials/)
    for (let failed = 1; failed <= 4; failed += 1) expect(await signIn(email, 'wrong horse')).toBe(unknown)
    await stand.sql`update flarewatch.failed_attempts set free_at = now() + interval '1 minute'`
    const sessions = () =>
      stand.sql`select from auth.sessions s join auth.users u on u.id = s.user_id where u.email = ${email}`
    const before = await sessions()
    expect(await signIn(email, password)).toBe(unknown)
    expect(await signIn(email.toUpperCase(), password)).toBe(unknown)
    expect(await sessions()).toHaveLength(before.length)
    await stand.sql`update flarewatch.failed_attempts set last_at = now() - interval '1 minute', free_at = now()`
    expect(await signIn(email, password)).toBe('signed in')
  })

  test('of codes, a fifth that comes too early ends every session, as Auth does where a hook refuses', async () => {
    const { client, secret, factorId } = await enrolled(stand)
    const wrong = codeNow(stand, secret, 1000)
    for (let failed = 1; failed <= 4; failed += 1) {
      const { error } = await client.auth.mfa.challengeAndVerify({ factorId, code: wrong })
      expect(error).toMatchObject({ status: 422, code: 'mfa_verification_failed' })
    }
    await stand.sql`update flarewatch.failed_attempts set free_at = now() + interval '1 minute'`
    const early = await client.auth.mfa.challengeAndVerify({ factorId, code: codeNow(stand, secret) })
    expect(early.error).toMatchObject({ status: 403, code: 'mfa_verification_rejected' })
    expect((await client.auth.getUser()).error).not.toBeNull()
  })
})
