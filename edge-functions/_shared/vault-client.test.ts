import { createHash } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { ServiceClaims } from 'domain/contracts/edge-door.ts'
import { exportJWK, generateKeyPair, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readEnvironment } from './environment.ts'
import { createVault, type Vault } from './vault-client.ts'

const REQUEST = { tenant_id: '4f9d6c3e-1d55-4b8e-9a2b-3c6a7e8f9a01' }
const REQUEST_ID = '7c0b5a6e-93f4-4f0e-8b3a-2d1c4e5f6a7b'
const ANSWER = { audit_key_version: 1, kek_version: 1, wrapped_key: 'w'.repeat(80) }
let server: Server
let publicKey: CryptoKey
let vault: Vault<'tenant-prepare'>
let seen: { url: string; headers: IncomingHttpHeaders; body: string }[]
/** What comes before `answer`. */
let answers: { status: number; body: unknown }[]
let answer: { status: number; body: unknown }
const LACKS_KEK = { status: 503, body: { error: { code: 'kek_version_unknown', message: 'x', request_id: 'y' } } }

beforeAll(async () => {
  const pair = await generateKeyPair('EdDSA', { extractable: true })
  publicKey = pair.publicKey
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    seen.push({ url: request.url ?? '', headers: request.headers, body })
    const given = answers.shift() ?? answer
    response.writeHead(given.status).end(typeof given.body === 'string' ? given.body : JSON.stringify(given.body))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const values: Record<string, string> = {
    VAULT_URL: `http://127.0.0.1:${address.port}`,
    VAULT_SERVICE_KEY: JSON.stringify(await exportJWK(pair.privateKey)),
  }
  vault = createVault(
    readEnvironment((name) => values[name], ['VAULT_URL', 'VAULT_SERVICE_KEY']),
    ['tenant-prepare'],
  )
})
afterAll(() => server.close())
beforeEach(() => {
  seen = []
  answers = []
  answer = { status: 200, body: ANSWER }
})

describe('a request to the vault', () => {
  test('carries a service JWT that is good for this operation and this body, for half a minute', async () => {
    expect(
      await vault('tenant-prepare', REQUEST, { userJwt: 'user.jwt', stepUpToken: 'fwsu_x', requestId: REQUEST_ID }),
    ).toEqual(ANSWER)
    const [request] = seen
    expect(request?.url).toBe('/edge/v1/tenant-prepare')
    expect(request?.headers).toMatchObject({
      'flarewatch-user-jwt': 'user.jwt',
      'flarewatch-step-up': 'fwsu_x',
      'flarewatch-request-id': REQUEST_ID,
    })
    const token = request?.headers.authorization?.replace('Bearer ', '') ?? ''
    const { payload } = await jwtVerify(token, publicKey, { algorithms: ['EdDSA'] })
    const claims = ServiceClaims.parse(payload)
    expect(claims).toMatchObject({ op: 'tenant-prepare', exp: claims.iat + 30 })
    expect(claims.body_sha256).toBe(
      createHash('sha256')
        .update(request?.body ?? '')
        .digest('base64url'),
    )
  })

  test('is signed anew each time', async () => {
    for (let time = 0; time < 2; time += 1)
      await vault('tenant-prepare', REQUEST, { userJwt: 'user.jwt', requestId: REQUEST_ID })
    expect(new Set(seen.map(({ headers }) => headers.authorization)).size).toBe(2)
  })

  test('V4 an isolate that lacks a new KEK version is asked again, with a new token, until one answers', async () => {
    answers = [LACKS_KEK, LACKS_KEK]
    await vault('tenant-prepare', REQUEST, { userJwt: 'user.jwt', requestId: REQUEST_ID })
    expect(seen).toHaveLength(3)
    expect(new Set(seen.map(({ headers }) => headers.authorization)).size).toBe(3)
  })

  test.each([
    ['step_up_invalid', { status: 403, body: { error: { code: 'step_up_invalid', message: 'x', request_id: 'y' } } }],
    ['vault_unreachable', { status: 500, body: { error: { code: 'made_up', message: 'x', request_id: 'y' } } }],
    ['vault_unreachable', { status: 502, body: '<html>' }],
    ['vault_unreachable', { status: 200, body: { ...ANSWER, wrapped_key: 'short' } }],
    ['vault_unreachable', { status: 200, body: 'x'.repeat(100_000) }],
  ])('%s', async (code, given) => {
    answer = given
    await expect(
      vault('tenant-prepare', REQUEST, { userJwt: 'user.jwt', requestId: REQUEST_ID }),
    ).rejects.toMatchObject({ code })
  })
})
