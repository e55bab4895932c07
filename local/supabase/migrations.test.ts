import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { claimsOf, codeNow, openStand, type Stand, signUp } from './stand.ts'

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
    await tx`select flarewatch.bind_claims(${tx.json(JSON.parse(JSON.stringify(claims)))})`
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
