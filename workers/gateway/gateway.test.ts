import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concat, toBase64, u64be } from '../../domain/bytes.ts'
import {
  CredentialsResponse,
  ErrorBody,
  MeResponse,
  MetricsResponse,
  SitesResponse,
  StatusResponse,
  TENANT_HEADER,
} from '../../domain/contracts/api.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { newestReceiptKey, receiptKey, tileKey } from '../../domain/contracts/receipt-store.ts'
import { TileCutter } from '../../domain/merkle/tiles.ts'
import { hashLeaf, MerkleTree } from '../../domain/merkle/tree.ts'
import { type EmbeddedPostgres, startPostgres } from '../../local/postgres/postgres.ts'
import { startTcpSwitch, type TcpSwitch } from '../../local/stands/tcp-switch.ts'
import { freePorts } from '../../local/supervisor/ports.ts'
import { workerOptions } from '../../local/workers/worker-options.ts'

const ISSUER = 'http://auth.test/auth/v1'
const DAY_MS = 24 * 60 * 60 * 1000
/** A midnight some days back, so that every fact lies in a month that has a partition. */
const TODAY = Math.floor(Date.now() / DAY_MS) * DAY_MS
/** Answers as the vault's door does, with what it was asked, or with the refusal that a test wrote into the limit. */
const VAULT_STUB = `
import { WorkerEntrypoint } from 'cloudflare:workers'
const refusals = { 101: 'tenant_frozen', 102: 'budget_exceeded', 103: 'ledger_unreachable', 104: 'not_a_member', 105: 'not_openable' }
export class GatewayDoor extends WorkerEntrypoint {
  async ready() { return { ok: true } }
  async unsealAudit(jwt, { tenantId, afterSeq, limit }) {
    if (limit in refusals) return { ok: false, code: refusals[limit] }
    if (limit === 106) throw new Error('unreachable')
    const row = { seq: afterSeq + 1, row_id: '${randomUUID()}', at: new Date().toISOString(), hash: 'h', actor: 'a', action: 'b', target: tenantId, detail: {}, sealed: 'never' }
    return { ok: true, rows: [row], nextAfterSeq: jwt.length > 0 ? null : 0 }
  }
}
export default { fetch: () => new Response(null, { status: 404 }) }`

type Agency = { readonly tenant: TenantId; readonly user: string; readonly site: string; readonly marker: string }
type Ask = {
  readonly user?: string
  readonly aal?: 'aal1' | 'aal2'
  readonly tenant?: string
  readonly method?: string
}

const dir = mkdtempSync(join(tmpdir(), 'flarewatch-gateway-'))
const keys = await generateKeyPair('ES256')
let database: EmbeddedPostgres
let superuser: postgres.Sql
let store: TcpSwitch
let auth: Server
let workers: Miniflare
let origin: string
let own: Agency
let other: Agency
const unenrolled = randomUUID()

beforeAll(async () => {
  database = await startPostgres({ dir })
  superuser = postgres(database.superuserUrl, { max: 2, onnotice: () => {} })
  store = await startTcpSwitch(database.poolPort)
  own = await agency('own')
  other = await agency('other')
  await superuser`insert into flarewatch.members values (${own.tenant}, ${unenrolled}, 'viewer')`
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256' }] })
  auth = createServer((_request, response) => response.setHeader('content-type', 'application/json').end(jwks))
  await new Promise<void>((resolve) => auth.listen(0, '127.0.0.1', resolve))
  await bootWorkers()
})

afterAll(async () => {
  await workers?.dispose()
  auth?.close()
  await superuser?.end()
  await store?.stop()
  await database?.stop()
  rmSync(dir, { recursive: true, force: true })
})

const TENANT_ROUTES = ['/api/sites', '/api/credentials', '/api/receipts', '/api/status', '/api/audit']

describe('T4: a user of one tenant', () => {
  it.each(TENANT_ROUTES)('gets nothing of another from %s by naming it', async (path) => {
    const answer = await ask(path, { user: own.user, tenant: other.tenant })
    expect(await codeOf(answer)).toEqual([403, 'not_a_member'])
    expect(await codeOf(await ask(path, { user: own.user, tenant: randomUUID() }))).toEqual([403, 'not_a_member'])
    expect(await codeOf(await ask(path, { user: own.user, tenant: "' or true --" }))).toEqual([403, 'not_a_member'])
  })

  it('gets nothing of another by the id of its site', async () => {
    const path = `/api/sites/${other.site}/metrics?${lastDays(2)}`
    for (const tenant of [own.tenant, undefined]) {
      const answer = await ask(path, { user: own.user, ...(tenant === undefined ? {} : { tenant }) })
      expect(await codeOf(answer)).toEqual([404, 'not_found'])
    }
    expect(await codeOf(await ask(path, { user: own.user, tenant: other.tenant }))).toEqual([403, 'not_a_member'])
  })

  it('gets their own, named or not, however many others ask at the same time', async () => {
    const asked = Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? own : other))
    const answers = await Promise.all(
      asked.map(async ({ user, tenant }, index) => {
        const answer = await ask('/api/sites', { user, ...(index % 3 === 0 ? { tenant } : {}) })
        return SitesResponse.parse(await answer.json()).sites.map(({ id }) => id)
      }),
    )
    expect(answers).toEqual(asked.map(({ site }) => [site]))
  })
})

describe('A1: a user without TOTP', () => {
  it.each([...TENANT_ROUTES, '/api/sites/SITE/metrics?DAYS'])('reads no tenant data from %s', async (path) => {
    const concrete = path.replace('SITE', own.site).replace('DAYS', lastDays(2))
    expect(await codeOf(await ask(concrete, { user: unenrolled }))).toEqual([403, 'totp_enrolment_required'])
  })

  it('is told that enrolment is missing, and not where they are a member', async () => {
    const me = MeResponse.parse(await (await ask('/api/me', { user: unenrolled, aal: 'aal1' })).json())
    expect(me.user).toMatchObject({ id: unenrolled, aal: 'aal1', totp_enrolled: false })
    expect(me.tenants).toEqual([])
  })
})

describe('A2: a user at AAL1', () => {
  it('reads metrics and the credential line', async () => {
    const metrics = await ask(`/api/sites/${own.site}/metrics?${lastDays(2)}`, { user: own.user, aal: 'aal1' })
    expect(metrics.status).toBe(200)
    expect((await ask('/api/credentials', { user: own.user, aal: 'aal1' })).status).toBe(200)
    const me = MeResponse.parse(await (await ask('/api/me', { user: own.user, aal: 'aal1' })).json())
    expect(me.tenants).toEqual([{ id: own.tenant, name: 'own', role: 'owner', state: 'active' }])
  })

  it('reads no audit content', async () => {
    expect(await codeOf(await ask('/api/audit', { user: own.user, aal: 'aal1' }))).toEqual([403, 'aal2_required'])
  })
})

describe('V6: the credential line', () => {
  it('has the last four characters and the scope, and nothing of what is sealed', async () => {
    const answer = await ask('/api/credentials', { user: own.user })
    const text = await answer.text()
    const [line] = CredentialsResponse.parse(JSON.parse(text)).credentials
    expect(line).toMatchObject({ last4: 'wXyZ', scope: 'Zone:Analytics:Read', grade: 'read_only', label: own.marker })
    expect(Object.keys(JSON.parse(text).credentials[0]).sort()).toEqual(Object.keys(line ?? {}).sort())
  })
})

describe('metrics', () => {
  const metrics = async (query: string) => ask(`/api/sites/${own.site}/metrics?${query}`, { user: own.user })

  it('add what adds up, take the mean of visitors, and compare with the window just before', async () => {
    const { series } = MetricsResponse.parse(await (await metrics(lastDays(2))).json())
    const byName = Object.fromEntries(series.map((one) => [one.metric, one]))
    expect(byName.requests).toMatchObject({ total: 7, previous_total: 3, unit: 'count' })
    expect(byName.requests?.points.map(({ value }) => value)).toEqual([3, 4])
    expect(byName.unique_visitors).toMatchObject({ total: 35, previous_total: 15 })
    expect(byName.requests?.provenance).toMatchObject({ source: 'test', sampling: 1, completeness: 'partial' })
    expect(byName.bytes).toMatchObject({ total: 0, previous_total: null, points: [], provenance: null })
  })

  it('compare with nothing where history does not reach back to', async () => {
    const { series } = MetricsResponse.parse(await (await metrics(lastDays(3))).json())
    expect(series.find(({ metric }) => metric === 'requests')).toMatchObject({ total: 9, previous_total: null })
  })

  it.each([
    ['no window', 'grain=day'],
    ['an unknown grain', lastDays(1).replace('day', 'week')],
    ['a window of nothing', `grain=day&from=${at(0)}&to=${at(0)}`],
    ['a window backwards', `grain=day&from=${at(0)}&to=${at(-1)}`],
    ['hours over more than 31 days', `grain=hour&from=${at(-32)}&to=${at(0)}`],
    ['days over more than two years', `grain=day&from=${at(-733)}&to=${at(0)}`],
    ['a time without zone', `${lastDays(1)}&from=2026-01-01T00:00:00`],
    ['a time before all records', `grain=day&from=0001-01-01T00:00:00Z&to=0001-01-02T00:00:00Z`],
    ['a name that nobody asked for', `${lastDays(1)}&tenant=x`],
    ['a name twice', `${lastDays(1)}&grain=hour`],
    ['more than a query can hold', `${lastDays(1)}&x=${'y'.repeat(600)}`],
  ])('refuse %s', async (_what, query) => {
    expect(await codeOf(await metrics(query))).toEqual([422, 'query_invalid'])
  })
})

describe('audit content', () => {
  it("comes from the vault, asked with the user's own token for the user's own tenant", async () => {
    const answer = await ask('/api/audit?after_seq=4', { user: own.user })
    const body = (await answer.json()) as { rows: Record<string, unknown>[] }
    expect(body).toMatchObject({ rows: [{ seq: 5, target: own.tenant }], next_after_seq: null })
    expect(body.rows[0]).not.toHaveProperty('sealed')
  })

  it.each([
    [101, 423, 'tenant_frozen'],
    [102, 429, 'budget_exceeded'],
    [103, 503, 'vault_unreachable'],
    [104, 403, 'not_a_member'],
    [105, 500, 'internal'],
    [106, 503, 'vault_unreachable'],
  ])('is refused as the vault refuses (%i)', async (limit, status, code) => {
    expect(await codeOf(await ask(`/api/audit?limit=${limit}`, { user: own.user }))).toEqual([status, code])
  })
})

describe('receipts', () => {
  it('are public: the newest, any size, and the proof between two, as text', async () => {
    const log = TenantId.parse(randomUUID())
    const tree = await publish(log, [3, 7])
    const newest = await ask(`/receipts/${log}`)
    expect([newest.status, await newest.text()]).toEqual([200, 'receipt of 7'])
    expect(newest.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    const third = await ask(`/receipts/${log}/3`)
    expect([await third.text(), third.headers.get('cache-control')]).toEqual([
      'receipt of 3',
      'public, max-age=31536000, immutable',
    ])
    const proof = await (await ask(`/receipts/${log}/3/7`)).text()
    expect(proof).toBe(
      tree
        .consistencyProof(3, 7)
        .map((hash) => `${toBase64(hash)}\n`)
        .join(''),
    )
  })

  it.each(['', '/4', '/03', '/-1', '/3/4', '/7/3', '/3/7/9', '/3e0', '/latest'])(
    'are not found at LOG%s',
    async (path) => {
      const log = TenantId.parse(randomUUID())
      if (path !== '') await publish(log, [3, 7])
      expect(await codeOf(await ask(`/receipts/${log}${path}`))).toEqual([404, 'not_found'])
    },
  )
})

describe('every answer', () => {
  it('says what the browser may do with it, and lets no other origin read it', async () => {
    for (const path of ['/', '/missing', '/api/config', '/api/nothing', '/receipts/x', '/.well-known/security.txt']) {
      const { headers } = await ask(path)
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
      expect(headers.get('strict-transport-security')).toMatch(/max-age=\d{8}/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
      expect(headers.has('access-control-allow-origin')).toBe(false)
    }
  })

  it('is a refusal to whatever does more than read', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await ask('/api/sites', { user: own.user, method })
      expect(answer.headers.get('allow')).toBe('GET, HEAD')
      expect(await codeOf(answer)).toEqual([405, 'method_not_allowed'])
    }
  })

  it('is found at no address but its own, and only with a token where data is', async () => {
    expect(await codeOf(await ask('/api/nothing', { user: own.user }))).toEqual([404, 'not_found'])
    expect(await codeOf(await ask('/api/sites/no-uuid/metrics', { user: own.user }))).toEqual([404, 'not_found'])
    for (const path of ['/api/me', ...TENANT_ROUTES]) {
      expect(await codeOf(await ask(path))).toEqual([401, 'unauthenticated'])
    }
  })

  it('carries the page with the policy for the scripts in it, also when nothing was found', async () => {
    const [home, missing] = [await ask('/'), await ask('/missing')]
    expect([home.status, missing.status]).toEqual([200, 404])
    expect(await home.text()).toContain('start()')
    for (const { headers } of [home, missing]) {
      expect(headers.get('content-security-policy')).toMatch(/script-src 'self' 'sha256-[\w+/]+='/)
    }
  })
})

describe('when the database does not answer', () => {
  it('data is refused as unreachable, and status says which part is down', async () => {
    store.shut()
    try {
      expect(await codeOf(await ask('/api/sites', { user: own.user }))).toEqual([503, 'store_unreachable'])
      const status = StatusResponse.parse(await (await ask('/api/status', { user: own.user })).json())
      expect(status.ok).toBe(false)
      expect(status.parts.map(({ name, state }) => [name, state])).toEqual([
        ['store', 'down'],
        ['vault', 'ok'],
      ])
    } finally {
      store.open()
    }
    const status = StatusResponse.parse(await (await ask('/api/status', { user: own.user })).json())
    expect(status.parts.map(({ name }) => name)).toEqual(['store', 'connectors', 'receipts', 'incidents', 'vault'])
  })
})

async function ask(path: string, { user, aal = 'aal2', tenant, method = 'GET' }: Ask = {}): Promise<Response> {
  const headers = new Headers()
  if (user !== undefined) headers.set('authorization', `Bearer ${await tokenOf(user, aal)}`)
  if (tenant !== undefined) headers.set(TENANT_HEADER, tenant)
  return fetch(`${origin}${path}`, { method, headers })
}

async function tokenOf(user: string, aal: string): Promise<string> {
  return new SignJWT({ role: 'authenticated', aal, session_id: randomUUID(), email: 'user@agency.test' })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .setSubject(user)
    .setIssuer(ISSUER)
    .setAudience('authenticated')
    .setExpirationTime('1h')
    .sign(keys.privateKey)
}

async function codeOf(answer: Response): Promise<[number, string]> {
  return [answer.status, ErrorBody.parse(await answer.json()).error.code]
}

function at(days: number): string {
  return new Date(TODAY + days * DAY_MS).toISOString()
}

function lastDays(days: number): string {
  return `grain=day&from=${at(-days)}&to=${at(0)}`
}

/** A tenant with an owner, a credential, and a site with four days of facts: 1, 2, 3 and 4 requests. */
async function agency(name: string): Promise<Agency> {
  const [tenant, user, site, credential] = [TenantId.parse(randomUUID()), randomUUID(), randomUUID(), randomUUID()]
  const marker = `label of ${name}`
  await superuser`insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
    values (${randomUUID()}, ${user}, 'totp', 'verified', now(), now())`
  await superuser`insert into flarewatch.tenants (id, name, state, activated_at) values (${tenant}, ${name}, 'active', now())`
  await superuser`insert into flarewatch.members values (${tenant}, ${user}, 'owner')`
  await superuser`insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
    values (${tenant}, 1, 1, ${Buffer.alloc(60)})`
  await superuser`insert into flarewatch.credentials (id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt,
      ciphertext, last4, scope, grade, next_poll_at, created_by)
    values (${credential}, ${tenant}, 'cloudflare', ${marker}, 1, ${Buffer.alloc(60)}, 1, ${Buffer.alloc(32)},
      ${Buffer.alloc(99)}, 'wXyZ', 'Zone:Analytics:Read', 'read_only', now(), ${user})`
  await superuser`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name)
    values (${site}, ${tenant}, ${credential}, 'cloudflare', 'zone', ${name})`
  for (const [metric, step] of [
    ['requests', 1],
    ['unique_visitors', 10],
  ] as const) {
    for (const day of [1, 2, 3, 4]) {
      await superuser`insert into flarewatch.facts_daily (site_id, tenant_id, provider, metric, window_start, window_end, value, unit,
          source, fetched_at, sampling, completeness)
        values (${site}, ${tenant}, 'cloudflare', ${metric}, ${at(day - 5)}, ${at(day - 4)}, ${day * step}, 'count', 'test', now(), 1,
          ${day === 4 ? 'partial' : 'complete'})`
    }
  }
  return { tenant, user, site, marker }
}

/** Puts what the verifier publishes for a log of as many rows into the bucket. */
async function publish(log: TenantId, sizes: readonly number[]): Promise<MerkleTree> {
  const bucket = await workers.getR2Bucket('RECEIPTS', 'flarewatch-gateway')
  const tree = new MerkleTree()
  for (const size of sizes) {
    const cutter = new TileCutter(tree.size)
    for (let row = 0; row < size; row += 1) cutter.append(hashLeaf(leaf(row)))
    while (tree.size < size) tree.append(leaf(tree.size))
    for (const tile of cutter.tiles()) await bucket.put(tileKey(log, tile), tile.hashes)
    await bucket.put(receiptKey(log, size), `receipt of ${size}`)
    await bucket.put(newestReceiptKey(log), `receipt of ${size}`)
  }
  return tree
}

function leaf(row: number): Uint8Array {
  return concat(u64be(row))
}

async function bootWorkers(): Promise<void> {
  const pages = join(dir, 'pages')
  mkdirSync(pages)
  for (const name of ['index', '404']) writeFileSync(join(pages, `${name}.html`), `<p>${name}<script>start()</script>`)
  const address = auth.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  const { port } = await freePorts('port')
  const databaseUrl = new URL(database.pooledUrlFor('flarewatch_gateway'))
  databaseUrl.port = String(store.port)
  const gateway = await workerOptions('gateway', {
    databaseUrl: databaseUrl.href,
    port,
    clock: Date.now,
    bindings: {
      AUTH_ISSUER: ISSUER,
      AUTH_JWKS_URL: `http://127.0.0.1:${address.port}/jwks.json`,
      SUPABASE_URL: 'http://auth.test',
      PUBLISHABLE_KEY: 'sb_publishable_test',
      LOG_VKEY: 'flarewatch.test/log+01234567+AQID',
    },
  })
  const vault = {
    name: 'flarewatch-vault',
    compatibilityDate: '2026-11-01',
    modules: [{ type: 'ESModule' as const, path: 'vault.mjs', contents: VAULT_STUB }],
  }
  const quiet = {
    log: new Log(LogLevel.NONE),
    handleStructuredLogs: () => {},
    cf: false,
    telemetry: { enabled: false },
  }
  const assets = gateway.assets === undefined ? undefined : { ...gateway.assets, directory: pages }
  workers = new Miniflare(
    convertV4MiniflareOptions({
      ...quiet,
      workers: [{ ...gateway, assets } as typeof gateway, vault],
      host: '127.0.0.1',
      port: 0,
    }),
  )
  await workers.ready
  origin = `http://127.0.0.1:${port}`
}
