import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { enrolled, openStand, type Stand, signUp } from '../stand.ts'

let stand: Stand
beforeAll(async () => {
  stand = await openStand()
})
afterAll(() => stand.stop())

describe('the REST route of the Edge Functions', () => {
  test('the secret key calls a privileged function as service_role', async () => {
    const client = stand.client(stand.supabase.secretKey)
    const { data, error } = await client.schema('privileged').rpc('echo', { request: { name: 'Ada', big: [1, null] } })
    expect(error).toBeNull()
    expect(data).toEqual({
      request: { name: 'Ada', big: [1, null] },
      role: 'service_role',
      claims: { role: 'service_role' },
      uid: null,
    })
    const nothing = await client.schema('privileged').rpc('nothing', { request: {} })
    expect(nothing).toMatchObject({ data: null, error: null })
  })

  test('numbers arrive as they were written', async () => {
    const response = await fetch(`${stand.supabase.url}/rest/v1/rpc/echo`, {
      method: 'POST',
      headers: {
        apikey: stand.supabase.secretKey,
        'content-profile': 'privileged',
        'content-type': 'application/json',
      },
      body: '{"request":{"n":12345678901234567890.5}}',
    })
    expect(await response.text()).toContain('12345678901234567890.5')
  })

  test('a refusal of ours surfaces with its SQLSTATE as code and its stable code as message', async () => {
    const client = stand.client(stand.supabase.secretKey)
    const { error, status } = await client.schema('privileged').rpc('refuse', { request: { code: 'tenant_id_taken' } })
    expect(status).toBe(400)
    expect(error).toMatchObject({ code: 'FW001', message: 'tenant_id_taken', details: null, hint: null })
  })

  test('D2: the publishable key and a signed-in user at AAL2 call nothing', async () => {
    const anon = await stand.client().schema('privileged').rpc('echo', { request: {} })
    expect(anon).toMatchObject({ status: 401, data: null, error: { code: '42501' } })
    const { client } = await enrolled(stand)
    const user = await client.schema('privileged').rpc('echo', { request: {} })
    expect(user).toMatchObject({ status: 403, data: null, error: { code: '42501' } })
  })

  test('D2: a user’s token beside the secret key binds to the user, not to the key', async () => {
    const { client } = await signUp(stand)
    const { data } = await client.auth.getSession()
    const response = await fetch(`${stand.supabase.url}/rest/v1/rpc/echo`, {
      method: 'POST',
      headers: {
        apikey: stand.supabase.secretKey,
        authorization: `Bearer ${data.session?.access_token}`,
        'content-profile': 'privileged',
      },
      body: '{"request":{}}',
    })
    expect(response.status).toBe(403)
  })

  test.each(['flarewatch', 'auth', 'public', 'pg_catalog', 'Privileged'])('schema %s is not served', async (schema) => {
    const client = stand.client(stand.supabase.secretKey)
    const called = await client.schema(schema).rpc('echo', { request: {} })
    expect(called).toMatchObject({ status: 406, error: { code: 'PGRST106' } })
    const read = await client.schema(schema).from('tenants').select()
    expect(read).toMatchObject({ status: 406, error: { code: 'PGRST106' } })
  })

  test('no table is served, not even of the exposed schema', async () => {
    const client = stand.client(stand.supabase.secretKey)
    const read = await client.schema('privileged').from('hidden').select()
    expect(read).toMatchObject({ status: 404, error: { code: 'PGRST205' } })
    const written = await client.schema('privileged').from('hidden').insert({ id: 1 })
    expect(written).toMatchObject({ status: 404 })
  })

  test.each([
    ['an unknown function', 'absent', { request: {} }],
    ['other arguments', 'echo', { other: {} }],
    ['arguments beside the request', 'echo', { request: {}, other: 1 }],
    ['a function of two arguments', 'two', { request: {} }],
  ])('%s is not found', async (_, name, args) => {
    const client = stand.client(stand.supabase.secretKey)
    const { error, status } = await client.schema('privileged').rpc(name, args)
    expect(status).toBe(404)
    expect(error).toMatchObject({ code: 'PGRST202' })
  })

  test.each([
    ['no JSON', '{"request":', 400],
    ['nothing', '', 400],
    ['too much', `{"request":"${'x'.repeat(300 * 1024)}"}`, 413],
  ])('%s is refused', async (_, body, status) => {
    const response = await fetch(`${stand.supabase.url}/rest/v1/rpc/echo`, {
      method: 'POST',
      headers: { apikey: stand.supabase.secretKey, 'content-profile': 'privileged' },
      body,
    })
    expect(response.status).toBe(status)
  })

  test('a token that does not verify is refused, whatever the key', async () => {
    const response = await fetch(`${stand.supabase.url}/rest/v1/rpc/echo`, {
      method: 'POST',
      headers: { apikey: stand.supabase.secretKey, authorization: 'Bearer a.b.c', 'content-profile': 'privileged' },
      body: '{"request":{}}',
    })
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'PGRST301' })
  })

  test('T4: the gateway granted nothing on our schemas to the roles of the Data API', async () => {
    const grants = await stand.sql`
      select table_schema, grantee from information_schema.role_table_grants
      where grantee in ('anon', 'authenticated', 'service_role', 'PUBLIC')
        and table_schema in ('flarewatch', 'privileged', 'auth')`
    expect(grants).toEqual([])
  })
})
